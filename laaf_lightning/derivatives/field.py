"""The unknown u of a PDE at many points, with its partial derivatives by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, overload

import torch
from torch import Tensor

from laaf_lightning.derivatives.field_arithmetic import FieldArithmetic
from laaf_lightning.derivatives.orders import Order
from laaf_lightning.errors import ConfigurationError, unknown_choice


class Field(FieldArithmetic, ABC):
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

    @overload
    def __getitem__(self, unknown: str) -> Field: ...

    @overload
    def __getitem__(self, unknown: Any) -> Tensor: ...

    def __getitem__(self, unknown: Any) -> Field | Tensor:
        """Return one of several unknowns, or a part of the value.

        Args:
            unknown: its name, or an index of a tensor.

        Returns:
            A field of shape (N, 1); for an index the value there.

        Raises:
            ConfigurationError: if there is no unknown of that name.
        """
        if not isinstance(unknown, str):
            return self.value[unknown]
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
            raise ConfigurationError(f"{self._name}.d() needs at least one coordinate of {', '.join(self.coordinates)}")
        for name in by:
            if name not in self.coordinates:
                letters = isinstance(name, str) and len(name) > 1 and all(letter in self.coordinates for letter in name)
                if letters:
                    raise ConfigurationError(f"unknown coordinate {name!r}: write d({', '.join(map(repr, name))})")
                raise ConfigurationError(unknown_choice("coordinate", name, self.coordinates))
        return self._derivative(tuple(sorted(self.coordinates.index(name) for name in by)))

    @property
    def _name(self) -> str:
        """What messages call it: several unknowns together are the u that a residual gets."""
        return self.unknowns[0] if len(self.unknowns) == 1 else "u"

    def _lacks(self, name: str) -> str:
        *_, by = name.rpartition("_")
        letters = [by] if by in self.coordinates else [*by]
        if by and all(letter in self.coordinates for letter in letters):
            asked = ", ".join(map(repr, letters))
            return f"{self._name} has no attribute {name!r}: its derivatives are {self._name}.d({asked})"
        return super()._lacks(name)

    def _not_asked_for(self, order: Order) -> ConfigurationError:
        by = ", ".join(repr(self.coordinates[column]) for column in order)
        several = f"the derivative by {by} of {', '.join(self.unknowns)}"  # one of which was asked
        what = several if len(self.unknowns) > 1 else f"{self._name}.d({by})"
        return ConfigurationError(
            f"{what} was not asked for when the residual was first run: what it asks for must not depend "
            "on the points, on values or on the run's progress; ask for it in every case, or take engine='autograd'"
        )


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
