"""What a place is: points are drawn there, and others are told to lie there or not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import NamedTuple

from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.geometry import Box, Face, Geometry, Sampler, near_or_inside
from laaf_lightning.problems.geometry.sampling.proposals import Proposal, accepted
from laaf_lightning.problems.same_values import shown


class Drawn(NamedTuple):
    """Points of a condition.

    Attributes:
        points: shape (N, d), float64.
        normals: outward ones of length 1, shape (N, d), float64; None where the place has none.
        partners: a second point for each, shape (N, d), float64; None unless the place pairs points.
    """

    points: Tensor
    normals: Tensor | None = None
    partners: Tensor | None = None


class Place(ABC):
    """Where a condition holds; what the domain is, it is told at every call."""

    is_paired: bool = False

    @property
    def face(self) -> Face | None:
        """The face on which all of it lies, if that is known."""
        return None

    @abstractmethod
    def propose(self, geometry: Geometry, unit: Tensor) -> Proposal:
        """Map points of the unit cube to points that may lie there, uniform ones to ones uniform by area.

        Args:
            geometry: the domain.
            unit: shape (N, d), in [0, 1).

        Returns:
            Points, which lie there, and their normals, if there are some.
        """

    @abstractmethod
    def holds(self, geometry: Geometry, points: Tensor) -> Tensor:
        """Tell which points lie there.

        Args:
            geometry: the domain.
            points: shape (N, d).

        Returns:
            Truth values, shape (N,).
        """

    def size(self, geometry: Geometry) -> int | None:
        """Return how many points it consists of.

        Args:
            geometry: the domain.

        Returns:
            A number; None where points are drawn, as many as one likes.
        """
        return None

    def check(self, geometry: Geometry, what: str) -> None:  # noqa: B027  # most refuse nothing
        """Refuse a place that does not go with a domain.

        Args:
            geometry: the domain.
            what: whose place it is, for the error.

        Raises:
            ConfigurationError: saying why.
        """

    def draw(self, geometry: Geometry, count: int, sampler: Sampler, seed: int, what: str) -> Drawn:
        """Draw points, uniform by area, or take all of those that are given.

        Args:
            geometry: the domain.
            count: how many, where they are drawn.
            sampler: of the unit cube.
            seed: the same seed gives the same points.
            what: whose place it is, for the error.

        Returns:
            The points.
        """
        drawn = accepted(
            partial(self.propose, geometry), sampler, count, len(geometry.coordinates), seed, self.nothing(what)
        )
        return Drawn(drawn.points, drawn.normals)

    def nothing(self, what: str) -> str:
        """Say that no point was found there.

        Args:
            what: whose place it is.

        Returns:
            A sentence.
        """
        return f"{what} lies outside the domain: none of a million points of its place is in it"


def refuse_outside(geometry: Geometry, points: Tensor, what: str) -> None:
    """Refuse points outside a domain.

    Args:
        geometry: the domain.
        points: shape (N, d).
        what: whose points they are, for the error.

    Raises:
        ConfigurationError: for another shape, or naming the first point outside.
    """
    names = tuple(geometry.coordinates)
    if points.ndim != 2 or points.shape[1] != len(names):
        expected = f"(N, {len(names)}) for {', '.join(names)}"
        raise ConfigurationError(f"{what} has points of shape {tuple(points.shape)}: expected {expected}")
    box = Box.of(dict(zip(names, geometry.bounds, strict=True)))
    for column, (name, inside) in enumerate(zip(names, box.contains_columns(points).T, strict=True)):
        if not inside.all():
            row, (lower, upper) = int((~inside).nonzero()[0]), box.interval(name)
            raise ConfigurationError(
                f"{what} has {int((~inside).sum())} points outside the domain, the first in row {row}: "
                f"{name}={float(points[row, column]):g} is not in [{lower}, {upper}]"
            )
    outside = ~near_or_inside(geometry, points)
    if outside.any():
        row = int(outside.nonzero()[0])
        place = ", ".join(f"{name}={float(x):g}" for name, x in zip(names, points[row], strict=True))
        raise ConfigurationError(
            f"{what} has {int(outside.sum())} points outside the domain, the first in row {row}: {place} is not in "
            f"{shown(geometry)}"
        )
