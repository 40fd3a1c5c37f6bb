"""What an initial, boundary or data condition of a PDE is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.given_numbers import as_columns


@dataclass(frozen=True, eq=False)
class Condition(ABC):
    """Something that u must meet at some points, beside the equation.

    A point's misfit is what `operator` gives there, less `target`.

    Attributes:
        name: what settings and errors call it, for example ``"initial"``.
        unknown: which of several unknowns it is about; None where there is only one.
        pairs_points: whether u is needed at a second point for each, see `partners`.
    """

    name: str
    pairs_points: ClassVar[bool] = False

    @property
    @abstractmethod
    def unknown(self) -> str | None:
        """Which of several unknowns it is about; None where there is only one."""

    @abstractmethod
    def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        """Move points of the box to where the condition holds.

        Args:
            points: random points of the whole box, shape (N, d).
            coordinates: names of their columns.

        Returns:
            Points on the face, shape (N, d).
        """

    @abstractmethod
    def target(self, points: Tensor) -> Tensor:
        """Return what the operator must give.

        Args:
            points: as `place` returned them, shape (N, d).

        Returns:
            Shape (N, 1).
        """

    def prescribed(self, points: Tensor) -> Tensor:
        """Return `target` as one column, also where a condition of one's own gives a number, (N,) or a NumPy array.

        Args:
            points: as `place` returned them, shape (N, d).

        Returns:
            Shape (N, 1).
        """
        return as_columns(self.target(points), points, 1, f"the value of the condition {self.name!r}")

    def partners(self, points: Tensor, coordinates: Sequence[str]) -> Tensor | None:
        """Return a second point for each, at which u is needed too.

        Args:
            points: as `place` returned them, shape (N, d).
            coordinates: names of their columns.

        Returns:
            Shape (N, d), or None where no second one is needed, as for all but periodic conditions.
        """
        return None

    @abstractmethod
    def operator(self, u: Field, partner: Field | None) -> Tensor:
        """Return what is prescribed, for example u or a derivative of it.

        Args:
            u: the unknown at the condition's points.
            partner: the unknown at their partners, if there are any.

        Returns:
            Shape (N, 1).
        """

    def _of(self, u: Field) -> Field:
        return u if self.unknown is None else u[self.unknown]
