"""Parameters of any shapes as one vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError

_GIB = 2.0**30


class FlatParameters:
    """Read and write parameters, and read their gradients, as vectors of shape (n,).

    Args:
        parameters: real floating-point tensors of one dtype on one device, each with ``requires_grad``.

    Attributes:
        parameters: the tensors.
        size: n.

    Raises:
        ConfigurationError: for frozen parameters, or more than one dtype or device.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self._refuse_mixture()
        self.size = sum(p.numel() for p in self.parameters)

    def values(self) -> Tensor:
        """Copy the parameters.

        Returns:
            Shape (n,).
        """
        return torch.cat([p.detach().reshape(-1) for p in self.parameters])

    @torch.no_grad()
    def set_values(self, values: Tensor) -> None:
        """Write the parameters.

        Args:
            values: shape (n,).
        """
        parts = values.split([p.numel() for p in self.parameters])
        for parameter, part in zip(self.parameters, parts, strict=True):
            parameter.copy_(part.view_as(parameter))

    def gradient(self) -> Tensor:
        """Copy the gradients.

        Returns:
            Shape (n,); zeros where a parameter has none.
        """
        return torch.cat(
            [torch.zeros_like(p).view(-1) if p.grad is None else p.grad.reshape(-1) for p in self.parameters]
        )

    def refuse_more_than(self, most: int) -> None:
        """Refuse more parameters than a dense inverse Hessian should have rows.

        Args:
            most: the largest n that is allowed, the optimiser's `max_parameters`.

        Raises:
            ConfigurationError: if there are more.
        """
        if self.size > most:
            gib = self.size**2 * self.parameters[0].element_size() / _GIB
            raise ConfigurationError(
                f"{self.size} parameters need an inverse Hessian of {gib:.3g} GiB, and max_parameters={most}: "
                "raise it if that fits in memory, or take torch.optim.LBFGS"
            )

    def _refuse_mixture(self) -> None:
        frozen = sum(not p.requires_grad for p in self.parameters)
        if frozen:
            raise ConfigurationError(
                f"{frozen} of {len(self.parameters)} parameters require no gradient: give the optimiser those that "
                "do, [p for p in model.parameters() if p.requires_grad]"
            )
        dtypes = sorted({str(p.dtype) for p in self.parameters})
        if len(dtypes) > 1 or not self.parameters[0].is_floating_point():
            raise ConfigurationError(
                f"the parameters are of {' and '.join(dtypes)}: one inverse Hessian needs one real floating-point "
                "type; convert the model with model.double()"
            )
        devices = sorted({str(p.device) for p in self.parameters})
        if len(devices) > 1:
            raise ConfigurationError(
                f"the parameters are on {' and '.join(devices)}: one inverse Hessian needs one device; move the model "
                "with model.to(device)"
            )
