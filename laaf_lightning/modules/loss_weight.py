"""A weight of a module's loss that lies where the loss is computed."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, SupportsFloat, overload

import torch
from torch import Tensor, nn

from laaf_lightning.errors import ConfigurationError

if TYPE_CHECKING:
    from typing_extensions import Self


class LossWeight:
    """An attribute of a module that takes a number and reads as a 0-dim tensor.

    It is a non-persistent float64 buffer, into which later numbers are written: a recorded step reads it at every
    replay.

    Raises:
        ConfigurationError: where something else is assigned, or a number that is negative or not finite.

    Example:
        >>> class Weighted(nn.Module):
        ...     weight = LossWeight()
        >>> module = Weighted()
        >>> module.weight = 0.5
        >>> module.weight.item(), list(module.state_dict())
        (0.5, [])
    """

    def __set_name__(self, owner: type[nn.Module], name: str) -> None:
        self._name, self._buffer = name, f"_{name}"

    @overload
    def __get__(self, module: None, owner: type[nn.Module]) -> Self: ...

    @overload
    def __get__(self, module: nn.Module, owner: type[nn.Module]) -> Tensor: ...

    def __get__(self, module: nn.Module | None, owner: type[nn.Module]) -> Self | Tensor:
        return self if module is None else module.get_buffer(self._buffer)

    def __set__(self, module: nn.Module, weight: SupportsFloat) -> None:
        if not _is_weight(weight):
            raise ConfigurationError(f"{self._name}={weight} must be finite and >= 0, a number or a 0-dim tensor")
        if self._buffer not in dict(module.named_buffers(recurse=False)):
            module.register_buffer(self._buffer, torch.zeros((), dtype=torch.float64), persistent=False)
        buffer = module.get_buffer(self._buffer)
        with torch.no_grad():
            buffer.copy_(weight) if isinstance(weight, Tensor) else buffer.fill_(float(weight))


def _is_weight(weight: object) -> bool:
    """Tell a number that can be a weight; that of a tensor is not waited for."""
    if isinstance(weight, Tensor):
        return weight.ndim == 0
    return isinstance(weight, Real) and math.isfinite(weight) and float(weight) >= 0
