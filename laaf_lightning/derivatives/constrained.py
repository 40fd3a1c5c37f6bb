"""Conditions that hold by construction: u = g(x) + d(x)·N(x), differentiated by Leibniz' rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from laaf_lightning.derivatives.engines.autograd import AutogradField
from laaf_lightning.derivatives.field import Field
from laaf_lightning.derivatives.orders import Order, splittings, with_lower_orders


@dataclass(frozen=True)
class KnownFactors:
    """g, d and their derivatives at a set of points: they do not change in training, so they are computed once.

    Attributes:
        orders: the derivatives, lower orders first.
        offset: g and its derivatives, one (N, C) or (N, 1) tensor for each order.
        factor: d and its derivatives, likewise.
        splittings: the terms of Leibniz' rule for each order.
    """

    orders: tuple[Order, ...]
    offset: tuple[Tensor, ...]
    factor: tuple[Tensor, ...]
    splittings: tuple[tuple[tuple[Order, Order, int], ...], ...]

    @classmethod
    def at(
        cls,
        points: Tensor,
        coordinates: Sequence[str],
        orders: Iterable[Order],
        *,
        offset: Callable[[Tensor], Tensor],
        factor: Callable[[Tensor], Tensor],
    ) -> KnownFactors:
        """Compute g, d and their derivatives by nested autograd.

        Args:
            points: shape (N, d).
            coordinates: names of their columns.
            orders: the derivatives of u that will be asked for.
            offset: g, maps points (N, d) to (N, C) or (N, 1), differentiable.
            factor: d, likewise.

        Returns:
            The tables, without graph, in the points' dtype.

        Example:
            >>> t = torch.tensor([[2.0]])
            >>> known = KnownFactors.at(t, ["t"], [(0,)], offset=torch.ones_like, factor=lambda t: t * t)
            >>> known.orders, [d.item() for d in known.factor]
            (((), (0,)), [4.0, 4.0])
        """
        needed = with_lower_orders(orders)

        def table(function: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
            columns = function(points.detach().clone()).shape[1]
            field = AutogradField(function, points, coordinates, [str(column) for column in range(columns)])
            return tuple((field._derivative(order) if order else field.value).detach() for order in needed)

        return cls(needed, table(offset), table(factor), tuple(map(splittings, needed)))

    @property
    def tables(self) -> tuple[Tensor, ...]:
        """All tensors, g's and then d's."""
        return (*self.offset, *self.factor)

    def of_tables(self, tables: Sequence[Tensor]) -> KnownFactors:
        """Return the same derivatives of other factors, or at other points.

        Args:
            tables: as `tables` has them.

        Returns:
            The tables with their orders.
        """
        of_offset = len(self.offset)
        return replace(self, offset=tuple(tables[:of_offset]), factor=tuple(tables[of_offset:]))

    def rows(self, start: int, stop: int) -> KnownFactors:
        """Return the tables at some of the points.

        Args:
            start: first row.
            stop: the row after the last.

        Returns:
            The tables at stop − start points.
        """
        return self.of_tables([table[start:stop] for table in self.tables])


class ConstrainedField(Field):
    """u = g + d·N, whatever engine differentiates N.

    Args:
        free: N, the network's field, shape (N, C).
        known: g and d at the same points.
    """

    def __init__(self, free: Field, known: KnownFactors) -> None:
        super().__init__(known.offset[0] + known.factor[0] * free.value, free.coordinates, free.unknowns)
        self._free = free
        self._offset = dict(zip(known.orders, known.offset, strict=True))
        self._factor = dict(zip(known.orders, known.factor, strict=True))
        self._splittings = dict(zip(known.orders, known.splittings, strict=True))

    def _derivative(self, order: Order) -> Tensor:
        if order not in self._offset:
            raise self._not_asked_for(order)
        total = self._offset[order]
        for of_factor, of_free, count in self._splittings[order]:
            free = self._free._derivative(of_free) if of_free else self._free.value
            total = torch.addcmul(total, self._factor[of_factor], free, value=count)
        return total
