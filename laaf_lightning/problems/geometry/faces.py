"""Faces: where one coordinate is fixed."""

from __future__ import annotations

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
