"""Derivatives of any function of points by differences, as an oracle for residuals and conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field

# Eighth order: the weight of the point so many steps away.
_CENTRAL = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
CENTRAL = {**_CENTRAL, **{-steps: -weight for steps, weight in _CENTRAL.items()}}
FORWARD = {0: -761 / 280, 1: 8, 2: -14, 3: 56 / 3, 4: -35 / 2, 5: 56 / 5, 6: -14 / 3, 7: 8 / 7, 8: -1 / 8}


class FiniteDifferenceField(Field):
    """u = f(x) with derivatives by differences of eighth order, nested for higher derivatives.

    The steps are `step` long, central without `centre`; with it they are one-sided, from each point towards the
    centre, so that they do not leave a box.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        points: Tensor,
        coordinates: Sequence[str],
        step: float,
        centre: Tensor | None = None,
        unknowns: Sequence[str] = ("u",),
    ) -> None:
        super().__init__(function(points), coordinates, unknowns)
        self._function, self._points = function, points
        self._weights: Mapping[int, float] = CENTRAL if centre is None else FORWARD
        ahead = torch.ones_like(points) if centre is None else torch.where(points < centre, 1.0, -1.0)
        self._steps = step * ahead

    def _derivative(self, order: tuple[int, ...]) -> Tensor:
        return self._differences(self._points, order)

    def _differences(self, points: Tensor, order: tuple[int, ...]) -> Tensor:
        if not order:
            return self._function(points)
        *lower, column = order
        shift = torch.zeros_like(points)
        shift[:, column] = self._steps[:, column]
        weighted = (w * self._differences(points + k * shift, tuple(lower)) for k, w in self._weights.items())
        return torch.stack([*weighted]).sum(dim=0) / shift[:, column : column + 1]
