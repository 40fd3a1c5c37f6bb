"""A boundary that is given by points, as a shape of one's own and a point cloud have it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.geometry.refusals import point_array, unit_vectors


class GivenBoundary(NamedTuple):
    """Points of a boundary, evenly spread.

    Attributes:
        points: shape (M, d), float64.
        normals: of length 1, shape (M, d), or None.
    """

    points: Tensor
    normals: Tensor | None

    @classmethod
    def of(cls, given: object, dimension: int, kind: str) -> GivenBoundary:
        """Take points, or points and normals.

        Args:
            given: either, as arrays.
            dimension: d.
            kind: the shape's class, for the error.

        Returns:
            Points, and normals if there are some.

        Raises:
            ConfigurationError: for arrays of other shapes, and normals without direction.
        """
        points, normals = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
        points = point_array(kind, "boundary points", points, dimension)
        if normals is None:
            return cls(points, None)
        normals = unit_vectors(kind, point_array(kind, "normals", normals, dimension))
        if len(normals) != len(points):
            raise ConfigurationError(
                f"{kind} has {len(normals)} normals for {len(points)} boundary points: give each point one"
            )
        return cls(points, normals)

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(lower, upper) of each coordinate."""
        lower, upper = self.points.amin(dim=0).tolist(), self.points.amax(dim=0).tolist()
        return tuple(zip(lower, upper, strict=True))

    @property
    def area(self) -> float:
        """The area, or length, estimated from the distances between neighbours."""
        count, dimension = self.points.shape
        if dimension == 1 or count == 1:
            return float(count)
        from scipy.spatial import cKDTree  # noqa: PLC0415  # slow to import, and seldom needed

        distances, _ = cKDTree(self.points.numpy()).query(self.points.numpy(), k=[2])
        return float(count * np.median(distances) ** (dimension - 1))


def taken_in_turn(number: int, count: int, seed: int) -> Tensor:
    """Take some of a number of things at random, each as often as the others.

    Args:
        number: of things.
        count: how many to take.
        seed: the same seed takes the same.

    Returns:
        Indices, shape (count,); all different for count ≤ number.
    """
    generator = torch.Generator().manual_seed(seed)
    rounds = [torch.randperm(number, generator=generator) for _ in range(-(-count // number))]
    return torch.cat([torch.empty(0, dtype=torch.long), *rounds])[:count]
