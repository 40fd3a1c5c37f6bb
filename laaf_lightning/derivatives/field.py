"""The unknown u of a PDE at many points, with its partial derivatives by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError, unknown_choice


class Field(ABC):
    """u at N points; behaves as its (N, 1) value in arithmetic and in torch functions.

    Args:
        value: u, shape (N, 1).
        coordinates: names of the columns of the points, in order.
    """

    def __init__(self, value: Tensor, coordinates: Sequence[str]) -> None:
        self.value = value
        self.coordinates = tuple(coordinates)

    @abstractmethod
    def _derivative(self, order: tuple[int, ...]) -> Tensor:
        """Return the partial derivative by the columns in `order`, sorted, shape (N, 1)."""

    def d(self, *by: str) -> Tensor:
        """Return a partial derivative.

        Args:
            by: coordinate names, one for each order; their sequence does not matter.

        Returns:
            ∂u/∂(by), shape (N, 1), attached to the graph.

        Raises:
            ConfigurationError: without a name, or for a name that is no coordinate.

        Example:
            A residual reads ``u.d("t") + u * u.d("x") - nu * u.d("x", "x")``.
        """
        if not by:
            raise ConfigurationError(f"u.d() needs at least one coordinate of {', '.join(self.coordinates)}")
        for name in by:
            if name not in self.coordinates:
                raise ConfigurationError(unknown_choice("coordinate", name, self.coordinates))
        return self._derivative(tuple(sorted(self.coordinates.index(name) for name in by)))

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return function(*map(_value, args), **{name: _value(argument) for name, argument in (kwargs or {}).items()})

    def __add__(self, other: Any) -> Tensor:
        return torch.add(self.value, _value(other))

    def __sub__(self, other: Any) -> Tensor:
        return torch.sub(self.value, _value(other))

    def __rsub__(self, other: Any) -> Tensor:
        return torch.sub(_value(other) * torch.ones_like(self.value), self.value)

    def __mul__(self, other: Any) -> Tensor:
        return torch.mul(self.value, _value(other))

    def __truediv__(self, other: Any) -> Tensor:
        return torch.div(self.value, _value(other))

    def __rtruediv__(self, other: Any) -> Tensor:
        return torch.mul(self.value.reciprocal(), _value(other))

    def __pow__(self, exponent: Any) -> Tensor:
        return torch.pow(self.value, _value(exponent))

    def __rpow__(self, base: Any) -> Tensor:
        return torch.pow(_value(base), self.value)

    def __abs__(self) -> Tensor:
        return torch.abs(self.value)

    def __neg__(self) -> Tensor:
        return torch.neg(self.value)

    __radd__ = __add__
    __rmul__ = __mul__


class ConstantField(Field):
    """u ≡ c, every derivative zero: the constant networks of Theorem 2.1.

    Args:
        constant: c, 0-dim, attached to whatever graph it has.
        points: the points, shape (N, d); only their number counts.
        coordinates: names of their columns.
    """

    def __init__(self, constant: Tensor, points: Tensor, coordinates: Sequence[str]) -> None:
        super().__init__(constant.expand(len(points), 1), coordinates)

    def _derivative(self, order: tuple[int, ...]) -> Tensor:
        return torch.zeros_like(self.value)


def _value(argument: Any) -> Any:
    """Return the (N, 1) value for a field, also inside the lists that functions such as ``torch.cat`` take."""
    if isinstance(argument, (list, tuple)):
        return [_value(part) for part in argument]
    return argument.value if isinstance(argument, Field) else argument
