"""The parameters of a module with the names of their layers, and all else that a checkpoint of it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from laaf_lightning.activations import adaptive_sites
from laaf_lightning.callbacks.finite_guard.marks import can_be_watched, one_number_each


@dataclass(frozen=True, eq=False)
class Weight:
    """A parameter of a module.

    Attributes:
        name: of the parameter; of a slope the name of its layer.
        parameter: itself.
        factor: n of a slope, 1 for other weights.
        is_slope: whether it is the slope of an adaptive activation.
    """

    name: str
    parameter: nn.Parameter
    factor: float = 1.0
    is_slope: bool = False

    @property
    def value(self) -> Tensor:
        """The parameter, or n·a of a slope."""
        return self.parameter.detach() * self.factor if self.is_slope else self.parameter.detach()

    def is_finite(self) -> bool:
        """Look at every entry."""
        return bool(self.value.isfinite().all())


def weights_of(module: LightningModule) -> list[Weight]:
    """List the parameters of a module that are worth watching.

    Args:
        module: the module.

    Returns:
        Those with numbers that can be NaN, in the module's order; a frozen one, say a mask of -inf, only while finite.
    """
    slopes = {site.a: (name or "the activation", site.n) for name, site in adaptive_sites(module)}
    found: list[Weight] = []
    for name, parameter in module.named_parameters():
        if not can_be_watched(parameter):
            continue
        layer = slopes.get(parameter)
        plain = ".".join(part for part in name.split(".") if part != "_orig_mod")
        weight = Weight(plain, parameter) if layer is None else Weight(layer[0], parameter, float(layer[1]), True)
        if parameter.requires_grad or weight.is_finite():
            found.append(weight)
    return found


def finite_buffers(module: LightningModule) -> dict[str, Tensor]:
    """List the buffers that are finite now.

    Args:
        module: the module.

    Returns:
        By name.
    """
    buffers = {name: buffer for name, buffer in module.named_buffers() if can_be_watched(buffer)}
    return {name: buffer for name, buffer in buffers.items() if bool(buffer.isfinite().all())}


def optimizer_moments(optimizers: Sequence[Optimizer], weights: Sequence[Weight]) -> Iterator[tuple[str, Tensor]]:
    """Yield what optimisers keep for each entry of a parameter, as momentum is.

    Args:
        optimizers: those of a Trainer.
        weights: the parameters.

    Yields:
        A name and a tensor of the parameter's shape.
    """
    names: dict[Tensor, str] = {weight.parameter: weight.name for weight in weights}
    for optimizer in optimizers:
        for stage in getattr(optimizer, "stages", (optimizer,)):
            for parameter, state in stage.state.items():
                for key, value in state.items() if isinstance(state, dict) else ():
                    if isinstance(value, Tensor) and value.shape == parameter.shape and can_be_watched(value):
                        yield f"{key} of {names.get(parameter, 'a parameter')}", value


def first_not_finite(named: Sequence[tuple[str, Tensor]]) -> str | None:
    """Find the first of some tensors that is not finite; waits for the device once if there is none.

    Args:
        named: names and tensors.

    Returns:
        Its name; None if all are finite.
    """
    by_device: dict[torch.device, list[Tensor]] = {}
    for _, tensor in named:
        by_device.setdefault(tensor.device, []).append(tensor)
    if all(bool(one_number_each(tensors).isfinite().all()) for tensors in by_device.values()):
        return None
    return next((name for name, tensor in named if not bool(tensor.isfinite().all())), None)
