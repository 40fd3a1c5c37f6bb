"""The unknown u of a PDE at many points, with its partial derivatives by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from laaf_lightning.derivatives.orders import Order
from laaf_lightning.errors import ConfigurationError, unknown_choice


class Field(ABC):
    """u at N points; behaves as its (N, C) value in arithmetic and in torch functions.

    With several unknowns, ``u["p"]`` is one of them, and ``v, w, p = u`` are all.

    Args:
        value: u, shape (N, C); C = 1 for one unknown.
        coordinates: names of the columns of the points, in order.
        unknowns: names of the C columns of the value, in order.
    """

    def __init__(self, value: Tensor, coordinates: Sequence[str], unknowns: Sequence[str] = ("u",)) -> None:
        self.value = value
        self.coordinates = tuple(coordinates)
        self.unknowns = tuple(unknowns)

    @abstractmethod
    def _derivative(self, order: Order) -> Tensor:
        """Return the partial derivative by the columns in `order`, sorted, shape (N, C)."""

    def _derivative_of(self, index: int, order: Order) -> Tensor:
        """Return the derivative of one unknown, shape (N, 1)."""
        return self._derivative(order)[:, index : index + 1]

    def __getitem__(self, unknown: str) -> Field:
        """Return one of several unknowns.

        Args:
            unknown: its name.

        Returns:
            A field of shape (N, 1).

        Raises:
            ConfigurationError: if there is none of that name.
        """
        if unknown not in self.unknowns:
            raise ConfigurationError(unknown_choice("unknown of the equation", unknown, self.unknowns))
        return _Component(self, self.unknowns.index(unknown))

    def __iter__(self) -> Iterator[Field]:
        return (self[unknown] for unknown in self.unknowns)

    def rows(self, start: int, stop: int) -> Field:
        """Return the field at some of its points.

        Args:
            start: first row.
            stop: the row after the last.

        Returns:
            A field at stop − start points.
        """
        return _Rows(self, slice(start, stop))

    def d(self, *by: str) -> Tensor:
        """Return a partial derivative.

        Args:
            by: coordinate names, one for each order; their sequence does not matter.

        Returns:
            ∂u/∂(by), shape (N, C), attached to the graph.

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

    def _not_asked_for(self, order: Order) -> ConfigurationError:
        by = ", ".join(repr(self.coordinates[column]) for column in order)
        return ConfigurationError(
            f"u.d({by}) was not asked for when the residual was first run: what it asks for must not depend on the "
            "points, on values or on the run's progress; ask for it in every case, or take engine='autograd'"
        )

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
        constant: c, 0-dim, or one for each unknown, shape (C,), attached to whatever graph it has.
        points: the points, shape (N, d); only their number counts.
        coordinates: names of their columns.
        unknowns: names of the C unknowns.
    """

    def __init__(
        self, constant: Tensor, points: Tensor, coordinates: Sequence[str], unknowns: Sequence[str] = ("u",)
    ) -> None:
        super().__init__(constant.expand(len(points), len(unknowns)), coordinates, unknowns)

    def _derivative(self, order: Order) -> Tensor:
        return torch.zeros_like(self.value)


class RecordingField(Field):
    """A field of plain numbers that notes which derivatives are asked for: the dry run of a residual.

    Args:
        value: any numbers, shape (N, C); derivatives are made of them too.
        coordinates: names of the columns of the points.
        unknowns: names of the C unknowns.

    Attributes:
        asked: the derivatives asked for so far.

    Example:
        >>> u = RecordingField(torch.rand(3, 1), ["x", "t"])
        >>> _ = u.d("t") + u * u.d("x") - 0.1 * u.d("x", "x")
        >>> sorted(u.asked)
        [(0,), (0, 0), (1,)]
    """

    def __init__(self, value: Tensor, coordinates: Sequence[str], unknowns: Sequence[str] = ("u",)) -> None:
        super().__init__(value, coordinates, unknowns)
        self.asked: set[Order] = set()

    def _derivative(self, order: Order) -> Tensor:
        self.asked.add(order)
        return torch.roll(self.value, len(self.asked), dims=0)


class _Component(Field):
    """One unknown of several."""

    def __init__(self, fields: Field, index: int) -> None:
        super().__init__(fields.value[:, index : index + 1], fields.coordinates, fields.unknowns[index : index + 1])
        self._fields, self._index = fields, index

    def _derivative(self, order: Order) -> Tensor:
        return self._fields._derivative_of(self._index, order)


class _Rows(Field):
    """A field at some of its points."""

    def __init__(self, field: Field, rows: slice) -> None:
        super().__init__(field.value[rows], field.coordinates, field.unknowns)
        self._field, self._rows = field, rows

    def _derivative(self, order: Order) -> Tensor:
        return self._field._derivative(order)[self._rows]

    def _derivative_of(self, index: int, order: Order) -> Tensor:
        return self._field._derivative_of(index, order)[self._rows]


def _value(argument: Any) -> Any:
    """Return the (N, C) value for a field, also inside the lists that functions such as ``torch.cat`` take."""
    if isinstance(argument, (list, tuple)):
        return [_value(part) for part in argument]
    return argument.value if isinstance(argument, Field) else argument
