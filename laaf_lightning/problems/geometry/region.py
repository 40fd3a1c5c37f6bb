"""Which points a domain holds, and the grid in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import as_tensor
from laaf_lightning.problems.geometry.grids import points_per_axis, product_grid
from laaf_lightning.problems.same_values import same_values

TOLERANCE = 1e-6  # of a shape's size: what rounding to float32 moves a point by, and some more
_NEAR = 3 * TOLERANCE


class Region(ABC):
    """A part of a space of d named coordinates.

    Attributes:
        coordinates: names of the columns of a point, in order.
    """

    coordinates: tuple[str, ...]

    @abstractmethod
    def contains(self, points: Tensor) -> Tensor:
        """Tell which points lie in the domain or on its boundary.

        Args:
            points: shape (N, d).

        Returns:
            Truth values, shape (N,); false for NaN. The shapes that come with the package take points within a
            millionth of their size as on the boundary.
        """

    @property
    @abstractmethod
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(lower, upper) of each coordinate, of a box that holds it, not always the smallest."""

    def interval(self, coordinate: str) -> tuple[float, float]:
        """Return the ends of a coordinate.

        Args:
            coordinate: its name.

        Returns:
            (lower, upper) of the bounding box.
        """
        return self.bounds[self.coordinates.index(coordinate)]

    def depth(self, points: Tensor) -> Tensor:
        """Tell how deep inside points lie, in units of the shape's size.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N,): positive inside, 0 on the boundary, negative outside, NaN for NaN. By default it is found from
            ``contains`` at points nearby, and is 1, 0 or −1.
        """
        steps = _NEAR * torch.diag(self.widths.to(points.device))
        near = [points.double() + step for step in (0 * steps[0], *steps, *-steps)]
        held = torch.stack([holds(self, each) for each in near]).double().mean(dim=0)
        return (held == 1).double() - (held == 0).double()

    def axes(self, count: int | None = None) -> dict[str, Tensor]:
        """Return equispaced values of each coordinate, from end to end of the bounding box.

        Args:
            count: how many, ≥ 2. None for 101 in up to three coordinates, and so many in more that the grid has at
                most a million points: 31 in four, 15 in five, 10 in six, 2 in up to 19; beyond, further coordinates
                have one value, the middle.

        Returns:
            Coordinate name to values, 1-dim, float64.
        """
        dimension = len(self.coordinates)
        counts = points_per_axis(dimension) if count is None else [count] * dimension
        pairs = zip(self.coordinates, self.bounds, counts, strict=True)
        return {
            name: torch.linspace(*ends, number, dtype=torch.float64)
            if number > 1
            else torch.tensor([sum(ends) / 2], dtype=torch.float64)
            for name, ends, number in pairs
        }

    def grid(self, axes: Mapping[str, Tensor]) -> Tensor:
        """Return the points inside of the grid that some axes span.

        Args:
            axes: coordinate name to values, 1-dim.

        Returns:
            Shape (N, d); the last coordinate runs fastest.
        """
        points = product_grid(axes, self.coordinates)
        return points[self.on_grid(points)]

    def on_grid(self, points: Tensor) -> Tensor:
        """Tell which points of a grid count, for errors and figures.

        Args:
            points: all that some axes span, shape (N, d).

        Returns:
            Truth values, shape (N,): those inside; all of them for a box, whatever the axes are.
        """
        return holds(self, points)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # In the class itself, where a dataclass looks before it adds its own, which compare tensors by `==`.
        for name in ("__eq__", "__hash__"):
            if name not in vars(cls):
                setattr(cls, name, getattr(cls, name))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and same_values(vars(self), vars(other))

    def __hash__(self) -> int:
        return hash((type(self), *sorted(vars(self))))

    @property
    def widths(self) -> Tensor:
        """The widths of the bounding box, shape (d,), float64."""
        ends = torch.tensor(self.bounds, dtype=torch.float64)
        return ends[:, 1] - ends[:, 0]


def holds(region: Region, points: Tensor) -> Tensor:
    """Ask a region which points it contains, and take the answer of one's own as truth values.

    Args:
        region: asked.
        points: shape (N, d).

    Returns:
        Truth values, shape (N,).

    Raises:
        ConfigurationError: for an answer of another shape.
    """
    inside = torch.as_tensor(region.contains(points))
    if inside.shape != (len(points),):
        raise ConfigurationError(
            f"{type(region).__name__}.contains gives shape {tuple(inside.shape)} at {len(points)} points: it must "
            f"give one truth value for each, shape ({len(points)},)"
        )
    return inside.to(device=points.device, dtype=torch.bool)


def points_for(region: Region, points: object) -> Tensor:
    """Take points, as tensors or arrays.

    Args:
        region: whose coordinates they have.
        points: what was given.

    Returns:
        Shape (N, d).

    Raises:
        ConfigurationError: for another shape.
    """
    taken, kind = as_tensor(points, f"points for {type(region).__name__}"), type(region).__name__
    if taken.ndim != 2 or taken.shape[1] != len(region.coordinates):
        raise ConfigurationError(
            f"points for {kind} have shape {tuple(taken.shape)}: they must be (N, {len(region.coordinates)}), columns "
            f"{', '.join(region.coordinates)}"
        )
    return taken


def near_or_inside(region: Region, points: Tensor) -> Tensor:
    """Tell which points are inside or so near that rounding may have moved them out, whatever the region tolerates.

    Args:
        region: asked.
        points: shape (N, d).

    Returns:
        Truth values, shape (N,).
    """
    inside = holds(region, points)
    if type(region).depth is Region.depth:  # one's own, which may leave its boundary out
        inside[~inside] = region.depth(points[~inside]) >= 0
    return inside
