"""Measured values as a condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.problems.conditions.condition import Condition


@dataclass(frozen=True, eq=False)
class PointData(Condition):
    """Measured values of u at given points, inside the domain or on its edge.

    Attributes:
        name: what settings and errors call it, for example ``"measurements"``.
        points: where, shape (M, d).
        values: what was measured, shape (M, 1).
        unknown: which of several unknowns it is about; None where there is only one.
    """

    points: Tensor
    values: Tensor
    unknown: str | None = None

    def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        """Return the measured points, whatever is given.

        Args:
            points: not used.
            coordinates: not used.

        Returns:
            Shape (M, d).
        """
        return self.points

    def target(self, points: Tensor) -> Tensor:
        """Return the measured values.

        Args:
            points: the measured points.

        Returns:
            Shape (M, 1).
        """
        return self.values

    def operator(self, u: Field, partner: Field | None = None) -> Tensor:
        """Return u.

        Args:
            u: the unknown at the points.
            partner: not used.

        Returns:
            Shape (M, 1).
        """
        return self._of(u).value
