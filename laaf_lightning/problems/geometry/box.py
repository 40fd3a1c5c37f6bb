"""A box: an interval of each coordinate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from laaf_lightning.problems.geometry.geometry import Face, Geometry


@dataclass(frozen=True)
class Box(Geometry):
    """The points between a lower and an upper end of each coordinate, both included.

    Args:
        coordinates: names of the columns of a point, in order.
        ends: (lower, upper) of each, in the same order.

    Example:
        >>> box = Box.of({"x": (-1.0, 1.0), "t": (0.0, 2.0)}, ["x", "t"])
        >>> box.sample(torch.tensor([[0.5, 0.25]])).tolist()
        [[0.0, 0.5]]
    """

    coordinates: tuple[str, ...]
    ends: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, domain: Mapping[str, tuple[float, float]], coordinates: Sequence[str]) -> Box:
        """Make a box of a problem's domain.

        Args:
            domain: (lower, upper) of each coordinate.
            coordinates: the order of the columns.

        Returns:
            The box.
        """
        return cls(tuple(coordinates), tuple((domain[name][0], domain[name][1]) for name in coordinates))

    def interval(self, coordinate: str) -> tuple[float, float]:
        """Return the ends of a coordinate.

        Args:
            coordinate: its name.

        Returns:
            (lower, upper).
        """
        return self.ends[self.coordinates.index(coordinate)]

    def contains(self, points: Tensor) -> Tensor:
        """Tell which points lie in the box or on its faces.

        Args:
            points: shape (N, d).

        Returns:
            Truth values, shape (N,).
        """
        return self.contains_columns(points).all(dim=1)

    def contains_columns(self, points: Tensor) -> Tensor:
        """Tell which coordinates of points lie between their ends.

        Args:
            points: shape (N, d).

        Returns:
            Truth values, shape (N, d); false for NaN.
        """
        columns = [(points[:, k] >= lower) & (points[:, k] <= upper) for k, (lower, upper) in enumerate(self.ends)]
        return torch.stack(columns, dim=1)

    def sample(self, unit: Tensor) -> Tensor:
        """Stretch points of the unit cube to the box.

        Args:
            unit: shape (N, d), in [0, 1].

        Returns:
            Shape (N, d), float64.
        """
        ends = torch.tensor(self.ends, dtype=torch.float64)
        return ends[:, 0] + (ends[:, 1] - ends[:, 0]) * unit

    def diagonal(self, count: int, *, margin: float = 0.0) -> Tensor:
        """Return equispaced points on the diagonal.

        Args:
            count: how many, ≥ 2.
            margin: the share of the diagonal that is left out at each end.

        Returns:
            Shape (count, d), float64.
        """
        return self.sample(torch.linspace(margin, 1.0 - margin, count, dtype=torch.float64)[:, None])

    def faces(self) -> tuple[Face, ...]:
        """Return the 2·d faces.

        Returns:
            The lower and the upper face of each coordinate.
        """
        pairs = zip(self.coordinates, self.ends, strict=True)
        return tuple(Face(name, end) for name, ends in pairs for end in ends)

    def axes(self, count: int) -> dict[str, Tensor]:
        """Return equispaced values of each coordinate, from end to end.

        Args:
            count: how many.

        Returns:
            Coordinate name to values, 1-dim, float64.
        """
        pairs = zip(self.coordinates, self.ends, strict=True)
        return {name: torch.linspace(*ends, count, dtype=torch.float64) for name, ends in pairs}

    def grid(self, axes: Mapping[str, Tensor]) -> Tensor:
        """Return all points whose coordinates are on the axes.

        Args:
            axes: coordinate name to values, 1-dim.

        Returns:
            Shape (product of the axes' lengths, d).
        """
        return torch.cartesian_prod(*(axes[name] for name in self.coordinates)).reshape(-1, len(self.coordinates))
