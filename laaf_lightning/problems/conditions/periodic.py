"""Conditions that compare two opposite faces of the box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.face_arguments import check_faces
from laaf_lightning.problems.geometry import moved_to


@dataclass(frozen=True, eq=False)
class Periodic(Condition):
    """Equal values on two opposite faces, or equal derivatives across them.

    For a second-order equation take two, one for u and one for its first derivative.

    Attributes:
        name: what settings and errors call it.
        coordinate: the coordinate c in which u repeats.
        faces: the two values of c, for example ``(-1.0, 1.0)``.
        order: 0 for u itself, k for ∂ᵏu/∂cᵏ.
        unknown: which of several unknowns it is about; None where there is only one.

    Raises:
        ConfigurationError: for faces that are no pair of numbers.
    """

    pairs_points: ClassVar[bool] = True

    coordinate: str
    faces: tuple[float, float]
    order: int = 0
    unknown: str | None = None

    def __post_init__(self) -> None:
        check_faces(self.name, self.faces)

    def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        """Move points of the box to the first face.

        Args:
            points: shape (N, d).
            coordinates: names of their columns.

        Returns:
            Shape (N, d).
        """
        return moved_to(points, coordinates.index(self.coordinate), self.faces[0])

    def partners(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        """Return the opposite points.

        Args:
            points: on the first face, shape (N, d).
            coordinates: names of their columns.

        Returns:
            Points on the second face, shape (N, d).
        """
        return moved_to(points, coordinates.index(self.coordinate), self.faces[1])

    def target(self, points: Tensor) -> Tensor:
        """Return zeros, which the difference must be.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N, 1).
        """
        return torch.zeros_like(points[:, :1])

    def operator(self, u: Field, partner: Field | None) -> Tensor:
        """Return the difference between the two faces.

        Args:
            u: the unknown on the first face.
            partner: the unknown on the second.

        Returns:
            Shape (N, 1).
        """
        assert partner is not None
        first, second = self._of(u), self._of(partner)
        if self.order == 0:
            return first.value - second.value
        by = [self.coordinate] * self.order
        return first.d(*by) - second.d(*by)
