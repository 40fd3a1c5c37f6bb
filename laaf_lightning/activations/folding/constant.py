"""Activations whose slope is a constant: σ(c·z)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.activations.adapted.classes import looks_like, with_forward
from laaf_lightning.activations.elementwise import Activation, resolve_activation

_HALF = {torch.float16, torch.bfloat16}


def product(z: Tensor, factor: Tensor) -> Tensor:
    """Form c·z, in float32 for half precision, rounded once.

    Args:
        z: pre-activations.
        factor: c, broadcast against z.

    Returns:
        A tensor of the dtype of z.
    """
    if z.dtype in _HALF:
        return (z.float() * factor.float()).to(z.dtype)
    return z * (factor.to(z.dtype) if z.is_floating_point() or z.is_complex() else factor)


class ScaledActivation(nn.Module):
    r"""Activation function of a constant multiple, :math:`\sigma(c \cdot z)`.

    Args:
        activation: the elementwise σ: a name, a callable or an ``nn.Module``.
        factor: c, which broadcasts against one sample z[0].

    Example:
        >>> ScaledActivation("relu", torch.tensor(2.0))(torch.tensor([-1.0, 3.0]))
        tensor([0., 6.])
    """

    factor: Tensor
    _unseen = False  # as of AdaptiveActivation

    def __init__(self, activation: Activation, factor: Tensor) -> None:
        super().__init__()
        self.activation = resolve_activation(activation)
        self.register_buffer("factor", factor)

    def forward(self, z: Tensor) -> Tensor:
        """Apply σ(c·z).

        Args:
            z: pre-activations.

        Returns:
            A tensor of the shape of `z`.
        """
        if not self._unseen:
            return self.activation(self._scaled(z))
        with torch._C.DisableTorchFunction():
            return self.activation(self._scaled(z))

    def _scaled(self, z: Tensor) -> Tensor:
        return product(z, self.factor)

    def extra_repr(self) -> str:
        """Describe the module in ``print(model)``.

        Returns:
            The activation where it is no module, and the shape of the factor.
        """
        name = "" if "activation" in self._modules else f"{getattr(self.activation, '__name__', self.activation)}, "
        return f"{name}factor of shape {tuple(self.factor.shape)}"


@with_forward("factor")
def with_factor(base: type[nn.Module]) -> tuple[tuple[type, ...], dict[str, Any]]:
    """Derive the class of an activation module that is given c·z.

    Args:
        base: the module's own class.

    Returns:
        Its bases and its namespace.
    """

    def forward(self: Any, z: Tensor) -> Any:
        if not self._unseen:
            return base.forward(self, product(z, self.factor))
        with torch._C.DisableTorchFunction():
            return base.forward(self, product(z, self.factor))

    return (base,), {"forward": looks_like(forward, base.forward), "_unseen": False}
