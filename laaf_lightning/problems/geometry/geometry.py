"""What a domain is, and how two are combined: union, difference, intersection."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.geometry.combined_boundary import combined_boundary, touches_inside
from laaf_lightning.problems.geometry.refusals import same_coordinates
from laaf_lightning.problems.geometry.region import TOLERANCE, points_for
from laaf_lightning.problems.geometry.sampled import SampledRegion
from laaf_lightning.problems.geometry.sampling.proposals import Proposal, kept_share


class Geometry(SampledRegion):
    """A domain of d named coordinates.

    A shape of one's own gives `coordinates`, `bounds` and ``contains(points)``, and, where conditions hold on its
    boundary, ``boundary_points()``. Shapes are combined by ``|`` (union), ``-`` (difference) and ``&`` (intersection).
    Two are equal if their class and their attributes are: make a subclass immutable.

    Attributes:
        coordinates: names of the columns of a point, in order.
        bounds: (lower, upper) of each coordinate, of a box that holds the shape; by default around the points that
            ``boundary_points()`` gives.

    Example:
        >>> class Diamond(Geometry):
        ...     coordinates = ("x", "y")
        ...     bounds = ((-1.0, 1.0), (-1.0, 1.0))
        ...
        ...     def contains(self, points):
        ...         return points.abs().sum(dim=1) <= 1
        >>> Diamond().sample_interior(100, "sobol", seed=0).abs().sum(dim=1).max() <= 1
        tensor(True)
        >>> len(Diamond().grid(Diamond().axes(3)))
        5
    """

    def __or__(self, other: Geometry) -> Union:
        return Union(self, other) if isinstance(other, Geometry) else NotImplemented

    def __sub__(self, other: Geometry) -> Difference:
        return Difference(self, other) if isinstance(other, Geometry) else NotImplemented

    def __and__(self, other: Geometry) -> Intersection:
        return Intersection(self, other) if isinstance(other, Geometry) else NotImplemented


@dataclass(frozen=True)
class Combined(Geometry):
    """A shape made of two others.

    A point on the boundary of one of them counts if one side of it is inside the whole and the other is not, and, of
    the second, only where the first has no boundary: so that parts that both have count once, or not at all where they
    lie inside.

    Args:
        first: a shape.
        second: another, of the same coordinates.

    Raises:
        ConfigurationError: for other coordinates, and where nothing is left.
    """

    first: Geometry
    second: Geometry
    sign: ClassVar[str]

    def __post_init__(self) -> None:
        text = f"{type(self.first).__name__} {self.sign} {type(self.second).__name__}"
        same_coordinates(text, self.first.coordinates, self.second.coordinates)
        object.__setattr__(self, "coordinates", tuple(self.first.coordinates))
        if any(lower >= upper for lower, upper in self.bounds) or kept_share(self.propose, len(self.coordinates)) == 0:
            raise ConfigurationError(f"{text} is empty: the shape has no interior")

    @abstractmethod
    def depth(self, points: Tensor) -> Tensor:
        """Return how deep inside points lie, in units of the size of the shape whose boundary is nearest.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N,).
        """

    def contains(self, points: Tensor) -> Tensor:
        """Tell which points lie in the shape or on its boundary.

        Args:
            points: shape (N, d).

        Returns:
            Truth values, shape (N,), a millionth of the size of its parts being tolerated.
        """
        points = points_for(self, points)
        depth = self.depth(points)
        inside, near = depth >= -TOLERANCE, depth.abs() <= TOLERANCE
        inside[near] = touches_inside(self, points[near])
        return inside

    def propose_boundary(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to the boundaries of both shapes.

        Args:
            unit: shape (N, d), in [0, 1).

        Returns:
            Points, which are on the boundary of the whole, and its outward normals.
        """
        return combined_boundary(self, self.first, self.second, unit)

    @property
    def proposed_area(self) -> float:
        """The area of both boundaries, hidden or not."""
        return self.first.proposed_area + self.second.proposed_area


@dataclass(frozen=True)
class Union(Combined):
    """The points that are in one of two shapes, or in both; written ``first | second``.

    Args:
        first: a shape.
        second: another, of the same coordinates.

    Example:
        >>> from laaf_lightning.problems import Disc
        >>> (Disc() | Disc((3.0, 0.0))).contains(torch.tensor([[3.5, 0.0], [1.5, 0.0]])).tolist()
        [True, False]
    """

    sign: ClassVar[str] = "|"

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(lower, upper) of each coordinate, around both."""
        pairs = zip(self.first.bounds, self.second.bounds, strict=True)
        return tuple((min(one[0], other[0]), max(one[1], other[1])) for one, other in pairs)

    def depth(self, points: Tensor) -> Tensor:
        """Return the larger depth.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N,).
        """
        return torch.maximum(self.first.depth(points), self.second.depth(points))


@dataclass(frozen=True)
class Difference(Combined):
    """The points of one shape that are not inside another; written ``first - second``.

    Args:
        first: a shape.
        second: what is cut out of it, of the same coordinates.

    Example:
        >>> from laaf_lightning.problems import Disc
        >>> annulus = Disc() - Disc(radius=0.5)
        >>> annulus.contains(torch.tensor([[0.75, 0.0], [0.5, 0.0], [0.25, 0.0]])).tolist()
        [True, True, False]
    """

    sign: ClassVar[str] = "-"

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(lower, upper) of each coordinate, those of the first."""
        return self.first.bounds

    def depth(self, points: Tensor) -> Tensor:
        """Return the depth in the first, or the negative depth in the second, if that is smaller.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N,).
        """
        return torch.minimum(self.first.depth(points), -self.second.depth(points))


@dataclass(frozen=True)
class Intersection(Combined):
    """The points that are in both of two shapes; written ``first & second``.

    Args:
        first: a shape.
        second: another, of the same coordinates.

    Example:
        >>> from laaf_lightning.problems import Box, Disc
        >>> half = Disc() & Box.of({"x": (0.0, 1.0), "y": (-1.0, 1.0)})
        >>> half.bounds
        ((0.0, 1.0), (-1.0, 1.0))
    """

    sign: ClassVar[str] = "&"

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(lower, upper) of each coordinate, those that both have."""
        pairs = zip(self.first.bounds, self.second.bounds, strict=True)
        return tuple((max(one[0], other[0]), min(one[1], other[1])) for one, other in pairs)

    def depth(self, points: Tensor) -> Tensor:
        """Return the smaller depth.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N,).
        """
        return torch.minimum(self.first.depth(points), self.second.depth(points))
