"""Grids of bounded size, and functions at many points in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

AT_ONCE = 65_536  # points that a function is asked for at a time
_MOST = 10**6
_FINEST = 101
_COORDINATES = 19  # 2**19 points are the last power of two below a million


def points_per_axis(dimension: int) -> list[int]:
    """Choose how many values each axis of a grid has, so that the grid has a million points or so at most.

    Args:
        dimension: number of coordinates, ≥ 1.

    Returns:
        101 for each of up to three coordinates; fewer in more.

    Example:
        >>> points_per_axis(2), points_per_axis(4), len(points_per_axis(25)), sum(points_per_axis(25))
        ([101, 101], [31, 31, 31, 31], 25, 44)
    """
    if dimension <= 3:
        return [_FINEST] * dimension
    count = _FINEST
    while count > 2 and count**dimension > _MOST:
        count -= 1
    several = min(dimension, _COORDINATES)
    return [count] * several + [1] * (dimension - several)


def product_grid(axes: Mapping[str, Tensor], coordinates: Sequence[str]) -> Tensor:
    """Return all points whose coordinates are on the axes.

    Args:
        axes: coordinate name to values, 1-dim.
        coordinates: the order of the columns.

    Returns:
        Shape (product of the axes' lengths, d); the last coordinate runs fastest.
    """
    return torch.cartesian_prod(*(axes[name] for name in coordinates)).reshape(-1, len(coordinates))


def in_parts(function: Callable[[Tensor], Tensor], points: Tensor, size: int = AT_ONCE) -> Tensor:
    """Ask a function for its values at many points, some at a time, so that what it needs in between stays small.

    Args:
        function: maps points (N, d) to values (N, C), each point by itself.
        points: shape (N, d).
        size: most points at a time.

    Returns:
        Shape (N, C).
    """
    if len(points) <= size:
        return function(points)
    return torch.cat([function(part) for part in points.split(size)])
