"""A face: where one coordinate is fixed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.problems.conditions.places.place import Drawn, Place
from laaf_lightning.problems.geometry import Face, Geometry, Sampler, moved_to, near_or_inside
from laaf_lightning.problems.geometry.sampling.proposals import Proposal
from laaf_lightning.problems.same_values import shown

_CLOSE = 1e-6  # of the coordinate's range


@dataclass(frozen=True)
class OnFace(Place):
    """Where one coordinate is fixed, at an end of it or between.

    Attributes:
        at: the coordinate and its value.
    """

    at: Face

    @property
    def face(self) -> Face:
        """This face."""
        return self.at

    def check(self, geometry: Geometry, what: str) -> None:
        """Refuse a coordinate that does not exist or has no faces, and a value outside of its ends.

        Args:
            geometry: the domain.
            what: whose place it is.

        Raises:
            ConfigurationError: naming both.
        """
        coordinate, position = self.at
        if coordinate not in geometry.coordinates:
            raise ConfigurationError(unknown_choice(f"coordinate of {what}", coordinate, geometry.coordinates))
        lower, upper = geometry.interval(coordinate)
        with_faces = list(dict.fromkeys(face.coordinate for face in geometry.faces()))
        if coordinate not in with_faces:
            has = f"faces only in {', '.join(with_faces)}" if with_faces else "no faces"
            of = "".join(what.rpartition(" of ")[1:]).strip()  # of which problem, if that is said
            raise ConfigurationError(
                f"{what} lies on a face at {coordinate}={position}, and the geometry {of}, {shown(geometry)}, has "
                f"{has}: take a condition on its boundary, Condition(name, 'boundary', operator), or on a part of it"
            )
        if not lower <= position <= upper:
            raise ConfigurationError(f"{what} lies at {coordinate}={position}, outside the domain [{lower}, {upper}]")

    def moved(self, points: Tensor, geometry: Geometry) -> Tensor:
        """Move points to the face.

        Args:
            points: shape (N, d).
            geometry: names their columns.

        Returns:
            Shape (N, d).
        """
        return moved_to(points, geometry.coordinates.index(self.at.coordinate), self.at.position)

    def propose(self, geometry: Geometry, unit: Tensor) -> Proposal:
        """Move points inside to the face.

        Args:
            geometry: the domain.
            unit: shape (N, d).

        Returns:
            Points, and normals at an end of the coordinate.
        """
        proposal = geometry.propose(unit)
        points = self.moved(proposal.points, geometry)
        return Proposal(points, proposal.keep, self._normals(geometry, points))

    def draw(self, geometry: Geometry, count: int, sampler: Sampler, seed: int, what: str) -> Drawn:
        """Draw points inside, and move them to the face.

        Args:
            geometry: the domain.
            count: how many.
            sampler: of the unit cube.
            seed: the same seed gives the same points.
            what: not used.

        Returns:
            The points.
        """
        points = self.moved(geometry.sample_interior(count, sampler, seed), geometry)
        return Drawn(points, self._normals(geometry, points))

    def holds(self, geometry: Geometry, points: Tensor) -> Tensor:
        """Tell which points have this value of the coordinate.

        Args:
            geometry: the domain.
            points: shape (N, d).

        Returns:
            Truth values, shape (N,).
        """
        column = geometry.coordinates.index(self.at.coordinate)
        gap = (points[:, column] - self.at.position).abs()
        return (gap <= _CLOSE * float(geometry.widths[column])) & near_or_inside(geometry, points)

    def _normals(self, geometry: Geometry, points: Tensor) -> Tensor | None:
        ends = geometry.interval(self.at.coordinate)
        for end, sign in zip(ends, (-1.0, 1.0), strict=True):
            if abs(self.at.position - end) <= _CLOSE * (ends[1] - ends[0]):
                normals = torch.zeros_like(points)
                normals[:, geometry.coordinates.index(self.at.coordinate)] = sign
                return normals
        return None
