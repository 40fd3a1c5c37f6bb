"""What a domain is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor


class Face(NamedTuple):
    """A part of the boundary on which one coordinate is fixed.

    Attributes:
        coordinate: its name.
        position: its value.
    """

    coordinate: str
    position: float


class Geometry(ABC):
    """A domain of d named coordinates.

    Attributes:
        coordinates: names of the columns of a point, in order.
    """

    coordinates: tuple[str, ...]

    @abstractmethod
    def contains(self, points: Tensor) -> Tensor:
        """Tell which points lie in the domain or on its boundary.

        Args:
            points: shape (N, d).

        Returns:
            Truth values, shape (N,).
        """

    @abstractmethod
    def sample(self, unit: Tensor) -> Tensor:
        """Map points of the unit cube to the domain, uniform ones to uniform ones.

        Args:
            unit: shape (N, d), in [0, 1].

        Returns:
            Shape (N, d), float64.
        """

    @abstractmethod
    def faces(self) -> tuple[Face, ...]:
        """Return the parts of the boundary on which one coordinate is fixed."""

    @abstractmethod
    def axes(self, count: int) -> dict[str, Tensor]:
        """Return equispaced values of each coordinate, from end to end.

        Args:
            count: how many, ≥ 2.

        Returns:
            Coordinate name to values, 1-dim, float64.
        """

    @abstractmethod
    def grid(self, axes: Mapping[str, Tensor]) -> Tensor:
        """Return the points of the grid that some axes span.

        Args:
            axes: coordinate name to values, 1-dim.

        Returns:
            Shape (N, d); the last coordinate runs fastest.
        """


def moved_to(points: Tensor, column: int, position: float) -> Tensor:
    """Return a copy of points with one coordinate set, as it is on a face.

    Args:
        points: shape (N, d).
        column: of the coordinate.
        position: its value.

    Returns:
        Shape (N, d).
    """
    moved = points.clone()
    moved[:, column] = position
    return moved
