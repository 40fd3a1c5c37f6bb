"""A ball in any number of coordinates, and the disc."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from laaf_lightning.problems.geometry.geometry import Geometry
from laaf_lightning.problems.geometry.refusals import finite_numbers, names_of, positive_number
from laaf_lightning.problems.geometry.region import TOLERANCE, points_for
from laaf_lightning.problems.geometry.sampling.proposals import Proposal


@dataclass(frozen=True)
class Ball(Geometry):
    """The points within a radius of a centre.

    Args:
        center: its coordinates, d ≥ 1 numbers.
        radius: > 0, in their unit.
        coordinates: names of the columns of a point, in order.

    Raises:
        ConfigurationError: for a radius ≤ 0, numbers that are not finite, and names that are not d different ones.

    Example:
        >>> boundary = Ball((0.0, 0.0, 1.0), 2.0).sample_boundary(5, seed=0)
        >>> outward = (boundary.points - torch.tensor([0.0, 0.0, 1.0])) / 2
        >>> torch.allclose(boundary.normals, outward, rtol=0, atol=1e-15)
        True
    """

    center: tuple[float, ...] = (0.0, 0.0, 0.0)
    radius: float = 1.0
    coordinates: tuple[str, ...] = ("x", "y", "z")

    def __post_init__(self) -> None:
        kind = type(self).__name__
        center = finite_numbers(kind, "center", self.center, self._dimension())
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "radius", positive_number(kind, "radius", self.radius))
        object.__setattr__(self, "coordinates", names_of(kind, self.coordinates, len(center)))

    @staticmethod
    def _dimension() -> int | None:
        return None

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(lower, upper) of each coordinate."""
        return tuple((middle - self.radius, middle + self.radius) for middle in self.center)

    def contains(self, points: Tensor) -> Tensor:
        """Tell which points lie in the ball or on its boundary.

        Args:
            points: shape (N, d).

        Returns:
            Truth values, shape (N,), a millionth of the radius being tolerated.
        """
        return self.depth(points) >= -TOLERANCE

    def depth(self, points: Tensor) -> Tensor:
        """Return the distance to the boundary, in radii.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N,).
        """
        points = points_for(self, points)
        center = torch.tensor(self.center, dtype=torch.float64, device=points.device)
        distance: Tensor = torch.linalg.vector_norm(points.double() - center, dim=1)
        return 1 - distance / self.radius

    def propose(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to the ball.

        Args:
            unit: shape (N, d), in [0, 1).

        Returns:
            Points, all of them inside.
        """
        points = torch.tensor(self.center, dtype=torch.float64) + self.radius * in_unit_ball(unit)
        return Proposal(points, torch.ones(len(unit), dtype=torch.bool))

    def propose_boundary(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to the sphere.

        Args:
            unit: shape (N, d), in [0, 1); in two coordinates the first is the angle, in turns.

        Returns:
            Points and normals.
        """
        normals = directions(unit)
        points = torch.tensor(self.center, dtype=torch.float64) + self.radius * normals
        return Proposal(points, torch.ones(len(unit), dtype=torch.bool), normals)

    @property
    def proposed_area(self) -> float:
        """The area of the sphere."""
        dimension = len(self.center)
        return float(2 * math.pi ** (dimension / 2) / math.gamma(dimension / 2) * self.radius ** (dimension - 1))


@dataclass(frozen=True)
class Disc(Ball):
    """The points of the plane within a radius of a centre.

    Args:
        center: its two coordinates.
        radius: > 0, in their unit.
        coordinates: names of the two columns of a point.

    Raises:
        ConfigurationError: for a radius ≤ 0, numbers that are not finite, and names that are not two different ones.

    Example:
        >>> disc = Disc((1.0, 0.0), radius=2.0)
        >>> disc.contains(torch.tensor([[1.0, 2.0], [3.0, 0.1]])).tolist()
        [True, False]
        >>> (Disc() - Disc(radius=0.5)).contains(torch.zeros(1, 2)).item()
        False
    """

    center: tuple[float, float] = (0.0, 0.0)
    radius: float = 1.0
    coordinates: tuple[str, str] = ("x", "y")

    @staticmethod
    def _dimension() -> int:
        return 2


def directions(unit: Tensor) -> Tensor:
    """Map points of the unit cube to the unit sphere, uniform ones to uniform ones.

    Args:
        unit: shape (N, d), in [0, 1).

    Returns:
        Shape (N, d), of length 1; in two coordinates at the angle 2π·unit[:, 0].
    """
    if unit.shape[1] == 2:
        angle = 2 * math.pi * unit[:, 0]
        return torch.stack([angle.cos(), angle.sin()], dim=1)
    normal = _standard_normal(unit)
    normal[(normal == 0).all(dim=1), 0] = 1.0  # the middle of the cube, which has no direction
    length: Tensor = torch.linalg.vector_norm(normal, dim=1, keepdim=True)
    return normal / length


def in_unit_ball(unit: Tensor) -> Tensor:
    """Map points of the unit cube to the unit ball, uniform ones to uniform ones.

    A standard normal vector has a uniform direction and, independent of it, a squared length that is χ² distributed
    with d degrees of freedom; its distribution function, to the power 1/d, is the radius.

    Args:
        unit: shape (N, d), in [0, 1).

    Returns:
        Shape (N, d).
    """
    dimension = unit.shape[1]
    normal = _standard_normal(unit)
    length: Tensor = torch.linalg.vector_norm(normal, dim=1, keepdim=True)
    half = torch.tensor(dimension / 2, dtype=torch.float64)
    radius: Tensor = torch.special.gammainc(half, length.square() / 2) ** (1 / dimension)
    return normal * (radius / length.clamp(min=torch.finfo(torch.float64).tiny))


def _standard_normal(unit: Tensor) -> Tensor:
    least = torch.finfo(torch.float64).eps / 2
    normal: Tensor = torch.special.ndtri(unit.double().clamp(least, 1 - least))
    return normal
