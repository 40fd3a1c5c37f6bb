"""How a domain and its boundary are sampled."""

from __future__ import annotations

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import Numbers
from laaf_lightning.problems.geometry.faces import Face
from laaf_lightning.problems.geometry.region import Region, holds
from laaf_lightning.problems.geometry.sampling.boundary_points import BoundaryPoints
from laaf_lightning.problems.geometry.sampling.given_boundary import GivenBoundary, taken_in_turn
from laaf_lightning.problems.geometry.sampling.proposals import Proposal, accepted
from laaf_lightning.problems.geometry.sampling.unit_cube import Sampler


class SampledRegion(Region):
    """A region with points of its own: inside, and on its boundary."""

    def boundary_points(self) -> Numbers | tuple[Numbers, Numbers] | None:
        """Give a boundary by points, evenly spread over it; for shapes of one's own.

        Returns:
            Points, shape (M, d), or points and outward normals, both (M, d), of any length; None where the boundary is
            not known, or known otherwise.
        """
        return None

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(lower, upper) of each coordinate, of a box that holds the shape, not always the smallest."""
        return self._given_boundary().bounds

    def sample(self, unit: Tensor) -> Tensor:
        """Map points of the unit cube to the domain, uniform ones to uniform ones.

        Args:
            unit: shape (N, d), in [0, 1].

        Returns:
            Shape (M, d), float64: M = N where the shape has such a map, else those that fall inside.
        """
        return self.propose(unit).kept().points

    def sample_interior(self, count: int, sampler: Sampler = "uniform", seed: int = 0) -> Tensor:
        """Draw points inside, uniform by volume.

        Args:
            count: how many.
            sampler: ``"uniform"``, ``"latin_hypercube"`` or ``"sobol"``, mapped from the unit cube where the shape has
                such a map, else by rejection from the bounding box.
            seed: the same seed gives the same points.

        Returns:
            Shape (count, d), float64.

        Raises:
            ConfigurationError: for a shape without interior.
        """
        nothing = f"{type(self).__name__} has no interior: none of a million points of its bounding box lies in it"
        return accepted(self.propose, sampler, count, len(self.coordinates), seed, nothing).points

    def sample_boundary(self, count: int, sampler: Sampler = "uniform", seed: int = 0) -> BoundaryPoints:
        """Draw points on the boundary, uniform by area.

        Args:
            count: how many.
            sampler: as for `sample_interior`; of a boundary that is given by points, some of these are taken at random,
                each as often as the others.
            seed: the same seed gives the same points.

        Returns:
            Points and outward normals of length 1, both (count, d), float64.

        Raises:
            ConfigurationError: where the boundary is not known.
        """
        kind = type(self).__name__
        if self.boundary_points() is not None or type(self).propose_boundary is SampledRegion.propose_boundary:
            given = self._given_boundary()
            rows = taken_in_turn(len(given.points), count, seed)
            return BoundaryPoints(given.points[rows], None if given.normals is None else given.normals[rows], kind)
        nothing = f"{kind} has no boundary: all of it is hidden by the shapes that it is made of"
        drawn = accepted(self.propose_boundary, sampler, count, len(self.coordinates), seed, nothing)
        return BoundaryPoints(drawn.points, drawn.normals, kind)

    def propose(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to points that may lie inside, uniform ones to uniform ones.

        Args:
            unit: shape (N, d), in [0, 1).

        Returns:
            Points and which are inside; by default those of the bounding box.
        """
        ends = torch.tensor(self.bounds, dtype=torch.float64)
        points = ends[:, 0] + (ends[:, 1] - ends[:, 0]) * unit
        return Proposal(points, holds(self, points))

    def propose_boundary(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to points that may lie on the boundary, uniform ones to ones uniform by area.

        Args:
            unit: shape (N, d), in [0, 1).

        Returns:
            Points, which are on the boundary, and outward normals; by default of ``boundary_points()``.

        Raises:
            ConfigurationError: where the boundary is not known.
        """
        given = self._given_boundary()
        rows = (unit[:, 0] * len(given.points)).long()
        normals = None if given.normals is None else given.normals[rows]
        return Proposal(given.points[rows], torch.ones(len(unit), dtype=torch.bool), normals)

    @property
    def proposed_area(self) -> float:
        """The area (length, number of points) of what `propose_boundary` proposes from, kept or not."""
        return self._given_boundary().area

    def faces(self) -> tuple[Face, ...]:
        """Return the faces: where a coordinate is fixed that may take any value between its ends at all points.

        Returns:
            None by default; two for each coordinate of a box, and for time in a product with time.
        """
        return ()

    def probes(self, count: int, *, margin: float = 0.0) -> Tensor:
        """Return a few points inside, always the same, at which something may be tried out.

        Args:
            count: how many, ≥ 2.
            margin: of a box, the share of its diagonal that is left out at each end.

        Returns:
            Shape (count, d), float64; of a box equispaced on its diagonal.
        """
        return self.sample_interior(count, "sobol", seed=0)

    def _given_boundary(self) -> GivenBoundary:
        kind, dimension, given = type(self).__name__, len(self.coordinates), self.boundary_points()
        if given is None:
            raise ConfigurationError(
                f"the boundary of {kind} is not known: let {kind}.boundary_points() return its points, shape "
                f"(M, {dimension}), or points and outward normals; without conditions there, give bounds alone"
            )
        return GivenBoundary.of(given, dimension, kind)
