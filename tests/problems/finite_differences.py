"""Derivatives of any function of points by central differences, as an oracle for residuals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field

# Eighth order; the weights of the points k = 1 … 4 steps away, odd in k.
_WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


class FiniteDifferenceField(Field):
    """u = f(x) with derivatives by central differences of eighth order, nested for higher derivatives."""

    def __init__(
        self, function: Callable[[Tensor], Tensor], points: Tensor, coordinates: Sequence[str], step: float
    ) -> None:
        super().__init__(function(points), coordinates)
        self._function, self._points, self._step = function, points, step

    def _derivative(self, order: tuple[int, ...]) -> Tensor:
        return self._differences(self._points, order)

    def _differences(self, points: Tensor, order: tuple[int, ...]) -> Tensor:
        if not order:
            return self._function(points)
        *lower, column = order
        shift = torch.zeros(points.shape[1], dtype=points.dtype)
        shift[column] = self._step
        pairs = (
            weight
            * (
                self._differences(points + k * shift, tuple(lower))
                - self._differences(points - k * shift, tuple(lower))
            )
            for k, weight in enumerate(_WEIGHTS, start=1)
        )
        return torch.stack([*pairs]).sum(dim=0) / self._step
