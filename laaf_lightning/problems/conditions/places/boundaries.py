"""The boundary of the domain, the boundary of another shape, and the inside."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.places.place import Drawn, Place
from laaf_lightning.problems.geometry import Geometry, OverTime, Sampler, holds, near_or_inside
from laaf_lightning.problems.geometry.sampling.proposals import Proposal
from laaf_lightning.problems.same_values import shown

_CLOSE = 1e-6  # of a shape's size
_STEP = 1e-4  # of the smallest width, by which the two sides of a boundary are told apart


@dataclass(frozen=True)
class OnBoundary(Place):
    """All of the domain's boundary: in a product with time that of space, at all times."""

    def check(self, geometry: Geometry, what: str) -> None:
        """Refuse a domain whose boundary is not known.

        Args:
            geometry: the domain.
            what: whose place it is.
        """
        geometry.sample_boundary(1)

    def propose(self, geometry: Geometry, unit: Tensor) -> Proposal:
        """Propose points of the boundary.

        Args:
            geometry: the domain.
            unit: shape (N, d).

        Returns:
            Points, and normals if they are known.
        """
        return geometry.propose_boundary(unit)

    def draw(self, geometry: Geometry, count: int, sampler: Sampler, seed: int, what: str) -> Drawn:
        """Sample the boundary.

        Args:
            geometry: the domain.
            count: how many.
            sampler: of the unit cube.
            seed: the same seed gives the same points.
            what: not used.

        Returns:
            The points.
        """
        drawn = geometry.sample_boundary(count, sampler, seed)
        return Drawn(drawn.points, drawn.outward)

    def holds(self, geometry: Geometry, points: Tensor) -> Tensor:
        """Tell which points lie on the boundary.

        Args:
            geometry: the domain.
            points: shape (N, d).

        Returns:
            Truth values, shape (N,).
        """
        return on_boundary_of(geometry, points) & near_or_inside(geometry, points)


@dataclass(frozen=True)
class OnShape(Place):
    """What of a shape's boundary lies in the domain: one hole of several, or an interface inside.

    Where it is on the boundary of the domain, normals point out of that; inside they point out of the shape.

    Attributes:
        shape: the shape; in the coordinates of space alone, it is meant at all times.
    """

    shape: Geometry

    def check(self, geometry: Geometry, what: str) -> None:
        """Refuse a shape of other coordinates than the domain's, or whose boundary is not known.

        Args:
            geometry: the domain.
            what: whose place it is.

        Raises:
            ConfigurationError: naming both coordinates.
        """
        shape = self._in(geometry)
        if tuple(shape.coordinates) != tuple(geometry.coordinates):
            raise ConfigurationError(
                f"{what} lies on the boundary of {shown(shape)}, whose coordinates are {tuple(shape.coordinates)!r}, "
                f"and the domain has {tuple(geometry.coordinates)!r}: give it the same, in the same order"
            )
        shape.sample_boundary(1)

    def propose(self, geometry: Geometry, unit: Tensor) -> Proposal:
        """Propose points of the shape's boundary, of which those in the domain count.

        Args:
            geometry: the domain.
            unit: shape (N, d).

        Returns:
            Points, and normals if they are known.
        """
        drawn = self._in(geometry).propose_boundary(unit)
        keep = drawn.keep & near_or_inside(geometry, drawn.points)
        if drawn.normals is None:
            return Proposal(drawn.points, keep)
        step = _STEP * float(geometry.widths.min()) * drawn.normals
        before, behind = (holds(geometry, drawn.points + way) for way in (step, -step))
        return Proposal(drawn.points, keep, torch.where((before & ~behind)[:, None], -drawn.normals, drawn.normals))

    def holds(self, geometry: Geometry, points: Tensor) -> Tensor:
        """Tell which points lie on the shape's boundary and in the domain.

        Args:
            geometry: the domain.
            points: shape (N, d).

        Returns:
            Truth values, shape (N,).
        """
        return on_boundary_of(self._in(geometry), points) & near_or_inside(geometry, points)

    def _in(self, geometry: Geometry) -> Geometry:
        if isinstance(geometry, OverTime) and tuple(self.shape.coordinates) == tuple(geometry.space.coordinates):
            return OverTime(self.shape, geometry.times, geometry.time)
        return self.shape


@dataclass(frozen=True)
class Inside(Place):
    """All of the domain."""

    def propose(self, geometry: Geometry, unit: Tensor) -> Proposal:
        """Propose points inside.

        Args:
            geometry: the domain.
            unit: shape (N, d).

        Returns:
            Points without normals.
        """
        return geometry.propose(unit)

    def draw(self, geometry: Geometry, count: int, sampler: Sampler, seed: int, what: str) -> Drawn:
        """Draw points inside.

        Args:
            geometry: the domain.
            count: how many.
            sampler: of the unit cube.
            seed: the same seed gives the same points.
            what: not used.

        Returns:
            The points.
        """
        return Drawn(geometry.sample_interior(count, sampler, seed))

    def holds(self, geometry: Geometry, points: Tensor) -> Tensor:
        """Tell which points lie in the domain, its boundary included.

        Args:
            geometry: the domain.
            points: shape (N, d).

        Returns:
            Truth values, shape (N,).
        """
        return near_or_inside(geometry, points)


def on_boundary_of(shape: Geometry, points: Tensor) -> Tensor:
    """Tell which points lie on a shape's boundary, as it is sampled.

    Args:
        shape: the shape; of a product with time the boundary in space counts.
        points: shape (N, d).

    Returns:
        Truth values, shape (N,).
    """
    if isinstance(shape, OverTime):
        return on_boundary_of(shape.space, points[:, :-1])
    near: Tensor = shape.depth(points).abs() <= _CLOSE
    return near
