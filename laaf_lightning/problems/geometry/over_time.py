"""A shape in space, at all times of an interval."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.geometry.box import Box
from laaf_lightning.problems.geometry.faces import Face
from laaf_lightning.problems.geometry.geometry import Geometry
from laaf_lightning.problems.geometry.refusals import finite_numbers, names_of
from laaf_lightning.problems.geometry.region import holds, points_for
from laaf_lightning.problems.geometry.sampling.proposals import Proposal


@dataclass(frozen=True)
class OverTime(Geometry):
    """The product of a shape and an interval of time, which is the last coordinate.

    Its boundary, as it is sampled, is the shape's at all times, with the shape's normals and 0 in time; begin and end
    are faces, for `Dirichlet` and the like.

    Args:
        space: a shape in the other coordinates.
        times: (begin, end), begin < end.
        time: name of the last coordinate.

    Raises:
        ConfigurationError: for times that are no interval, and a name that the shape has already.

    Example:
        >>> from laaf_lightning.problems import Disc
        >>> cylinder = OverTime(Disc(), (0.0, 2.0))
        >>> cylinder.coordinates, cylinder.faces()
        (('x', 'y', 't'), (Face(coordinate='t', position=0.0), Face(coordinate='t', position=2.0)))
        >>> cylinder.sample_boundary(5).normals[:, 2].tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0]
    """

    space: Geometry
    times: tuple[float, float] = (0.0, 1.0)
    time: str = "t"

    def __post_init__(self) -> None:
        if not isinstance(self.space, Geometry):
            raise ConfigurationError(f"space={self.space!r} of OverTime must be a shape, such as Disc()")
        begin, end = finite_numbers("OverTime", "times", self.times, 2)
        if not begin < end:
            raise ConfigurationError(
                f"times=({begin}, {end}) of OverTime must be begin < end: the shape has no interior"
            )
        object.__setattr__(self, "times", (begin, end))
        object.__setattr__(self, "coordinates", names_of("OverTime", (*self.space.coordinates, self.time)))

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(lower, upper) of each coordinate."""
        return (*self.space.bounds, self.times)

    def contains(self, points: Tensor) -> Tensor:
        """Tell which points lie in the shape at a time of the interval, boundary, begin and end included.

        Args:
            points: shape (N, d).

        Returns:
            Truth values, shape (N,).
        """
        points = points_for(self, points)
        return holds(self.space, points[:, :-1]) & self._interval.contains(points[:, -1:])

    def depth(self, points: Tensor) -> Tensor:
        """Return the depth in space, or in time if that is smaller.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N,).
        """
        points = points_for(self, points)
        return torch.minimum(self.space.depth(points[:, :-1]), self._interval.depth(points[:, -1:]).double())

    def propose(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to space and time.

        Args:
            unit: shape (N, d), in [0, 1).

        Returns:
            Points, and which are inside.
        """
        proposal = self.space.propose(unit[:, :-1])
        return Proposal(torch.cat([proposal.points, self._interval.sample(unit[:, -1:])], dim=1), proposal.keep)

    def propose_boundary(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to the boundary in space, at all times.

        Args:
            unit: shape (N, d), in [0, 1).

        Returns:
            Points, which are on the boundary, and normals, 0 in time.
        """
        drawn = self.space.propose_boundary(unit[:, :-1])
        points = torch.cat([drawn.points, self._interval.sample(unit[:, -1:])], dim=1)
        if drawn.normals is None:
            return Proposal(points, drawn.keep)
        return Proposal(points, drawn.keep, torch.cat([drawn.normals, torch.zeros_like(unit[:, -1:])], dim=1))

    @property
    def proposed_area(self) -> float:
        """The area of the boundary in space, times the duration."""
        return self.space.proposed_area * (self.times[1] - self.times[0])

    def faces(self) -> tuple[Face, ...]:
        """Return begin and end, and the faces of a box in space.

        Returns:
            The faces.
        """
        return (*self.space.faces(), *self._interval.faces())

    @property
    def _interval(self) -> Box:
        return Box((self.time,), (self.times,))
