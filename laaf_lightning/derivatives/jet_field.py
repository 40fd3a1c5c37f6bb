"""A field whose derivatives were computed together with its value, all from one pass through the network."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from laaf_lightning.derivatives.field import Field
from laaf_lightning.derivatives.orders import Order


class JetField(Field):
    """u and the derivatives that were asked for beforehand.

    Args:
        jets: u under ``()``, and derivatives by sorted column indices, each (N, C) or broadcast against that; one
            that is missing vanishes.
        known: the derivatives that were asked for, with all lower ones.
        coordinates: names of the columns of the points, in order.
        unknowns: names of the C columns of the value, in order.

    Example:
        >>> u = JetField({(): torch.tensor([[3.0]])}, [(), (0,)], ["x"])
        >>> u.d("x").tolist()
        [[0.0]]
    """

    def __init__(
        self,
        jets: Mapping[Order, Tensor],
        known: Collection[Order],
        coordinates: Sequence[str],
        unknowns: Sequence[str] = ("u",),
    ) -> None:
        super().__init__(jets[()], coordinates, unknowns)
        self._jets, self._known = jets, known

    def _derivative(self, order: Order) -> Tensor:
        if order not in self._known:
            raise self._not_asked_for(order)
        if order not in self._jets:
            return torch.zeros_like(self.value)
        return self._jets[order].expand_as(self.value)
