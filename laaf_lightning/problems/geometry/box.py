"""A box: an interval of each coordinate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.geometry.faces import Face
from laaf_lightning.problems.geometry.geometry import Geometry
from laaf_lightning.problems.geometry.grids import product_grid
from laaf_lightning.problems.geometry.refusals import finite_numbers, names_of
from laaf_lightning.problems.geometry.region import TOLERANCE, points_for
from laaf_lightning.problems.geometry.sampling.proposals import Proposal


@dataclass(frozen=True)
class Box(Geometry):
    """The points between a lower and an upper end of each coordinate, both included.

    Args:
        coordinates: names of the columns of a point, in order.
        ends: (lower, upper) of each, in the same order.

    Raises:
        ConfigurationError: for a name twice, and for ends that are not finite, or not lower < upper.

    Example:
        >>> box = Box.of({"x": (-1.0, 1.0), "t": (0.0, 2.0)})
        >>> box.sample(torch.tensor([[0.5, 0.25]])).tolist()
        [[0.0, 0.5]]
    """

    coordinates: tuple[str, ...]
    ends: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "coordinates", names_of("Box", self.coordinates))
        if len(self.ends) != len(self.coordinates):
            raise ConfigurationError(
                f"ends={self.ends!r} of Box must be (lower, upper) for each of {', '.join(self.coordinates)}"
            )
        ends = tuple(tuple(pair) for pair in self.ends)
        for name, pair in zip(self.coordinates, ends, strict=True):
            lower, upper = finite_numbers("Box", f"ends of {name!r}", pair, 2)
            if not lower < upper:
                raise ConfigurationError(
                    f"ends of {name!r}=({lower}, {upper}) of Box must be lower < upper: the shape has no interior"
                )
        object.__setattr__(self, "ends", ends)

    @classmethod
    def of(cls, domain: Mapping[str, tuple[float, float]], coordinates: Sequence[str] | None = None) -> Box:
        """Make a box of a problem's domain.

        Args:
            domain: (lower, upper) of each coordinate.
            coordinates: the order of the columns; None for the domain's.

        Returns:
            The box.
        """
        names = tuple(domain if coordinates is None else coordinates)
        return cls(names, tuple((domain[name][0], domain[name][1]) for name in names))

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """The ends."""
        return self.ends

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
            Truth values, shape (N, d), a millionth of each width being tolerated; false for NaN.
        """
        return self._depths(points) >= -TOLERANCE

    def depth(self, points: Tensor) -> Tensor:
        """Return the distance to the nearest face, in units of the width across it.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N,).
        """
        return self._depths(points).amin(dim=1)

    def propose(self, unit: Tensor) -> Proposal:
        """Stretch points of the unit cube to the box.

        Args:
            unit: shape (N, d), in [0, 1).

        Returns:
            Points, all of them inside.
        """
        return Proposal(self.sample(unit), torch.ones(len(unit), dtype=torch.bool))

    def propose_boundary(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to the faces.

        Args:
            unit: shape (N, d), in [0, 1): the first coordinate tells the face and the place in its first direction.

        Returns:
            Points and normals.
        """
        areas, dimension = self._areas(), len(self.coordinates)
        ends = (areas / areas.sum()).cumsum(dim=0)
        face = torch.searchsorted(ends, unit[:, 0].contiguous(), right=True).clamp(max=2 * dimension - 1)
        within = (unit[:, 0] - (ends - areas / areas.sum())[face]) / (areas / areas.sum())[face]
        points, normals = self.sample(unit), torch.zeros(len(unit), dimension, dtype=torch.float64)
        for k, (lower, upper) in enumerate(self.ends):
            free = [c for c in range(dimension) if c != k]
            for index, position in ((2 * k, lower), (2 * k + 1, upper)):
                rows = face == index
                # The columns that are left are those of the unit cube, the first of them stretched to the face.
                inner = torch.cat([within[rows, None], unit[rows, 1:]], dim=1)[:, : len(free)].clamp(0, 1)
                placed = torch.empty(int(rows.sum()), dimension, dtype=torch.float64)
                placed[:, free] = inner
                placed = self.sample(placed.nan_to_num(0.0))
                placed[:, k] = position
                points[rows] = placed
                normals[rows, k] = 1.0 if index % 2 else -1.0
        return Proposal(points, torch.ones(len(unit), dtype=torch.bool), normals)

    @property
    def proposed_area(self) -> float:
        """The area of all faces; of an interval the number of its ends."""
        return float(self._areas().sum())

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

    def grid(self, axes: Mapping[str, Tensor]) -> Tensor:
        """Return all points whose coordinates are on the axes.

        Args:
            axes: coordinate name to values, 1-dim.

        Returns:
            Shape (product of the axes' lengths, d).
        """
        return product_grid(axes, self.coordinates)

    def on_grid(self, points: Tensor) -> Tensor:
        """Take all points of a grid, also where axes of one's own go beyond the box.

        Args:
            points: shape (N, d).

        Returns:
            Truth values, shape (N,), all true.
        """
        return torch.ones(len(points), dtype=torch.bool, device=points.device)

    def probes(self, count: int, *, margin: float = 0.0) -> Tensor:
        """Return equispaced points on the diagonal.

        Args:
            count: how many, ≥ 2.
            margin: the share of the diagonal that is left out at each end.

        Returns:
            Shape (count, d), float64.
        """
        return self.diagonal(count, margin=margin)

    def _depths(self, points: Tensor) -> Tensor:
        points = points_for(self, points)
        columns = [
            torch.minimum(points[:, k] - lower, upper - points[:, k]) / (upper - lower)
            for k, (lower, upper) in enumerate(self.ends)
        ]
        return torch.stack(columns, dim=1)

    def _areas(self) -> Tensor:
        """Return the area of each face, the lower and the upper one of each coordinate in turn."""
        widths = [upper - lower for lower, upper in self.ends]
        areas = [math.prod(widths[:k] + widths[k + 1 :]) for k in range(len(widths))]
        return torch.tensor(areas, dtype=torch.float64).repeat_interleave(2)
