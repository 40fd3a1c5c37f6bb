"""Grids of bounded size, and functions at many points in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import as_tensor

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
    values = [*axes_in_order(axes, coordinates).values()]
    return torch.cartesian_prod(*values).reshape(-1, len(coordinates))


def axes_in_order(axes: object, coordinates: Sequence[str]) -> dict[str, Tensor]:
    """Take the axes of a grid, as tensors, arrays or lists.

    Args:
        axes: coordinate name to values, 1-dim.
        coordinates: the order.

    Returns:
        Coordinate name to values, 1-dim, in this order.

    Raises:
        ConfigurationError: for a coordinate without values, and for what are no values.

    Example:
        >>> axes_in_order({"t": [0.0], "x": range(3)}, ("x", "t"))["x"]
        tensor([0., 1., 2.], dtype=torch.float64)
    """
    if not isinstance(axes, Mapping) or any(name not in axes for name in coordinates):
        given = f"those of {', '.join(map(str, axes)) or 'nothing'}" if isinstance(axes, Mapping) else repr(axes)
        names = ", ".join(coordinates)
        raise ConfigurationError(f"axes() gives {given}: it must map each coordinate ({names}) to its values")
    taken = {name: as_tensor(axes[name], f"axes()[{name!r}]") for name in coordinates}
    for name, values in taken.items():
        if values.ndim != 1 or len(values) == 0 or not values.isfinite().all():
            raise ConfigurationError(
                f"axes()[{name!r}] has shape {tuple(values.shape)}: it must be finite values, shape (M,), M >= 1"
            )
    return taken


def product_part(axes: Sequence[Tensor], start: int, stop: int) -> Tensor:
    """Return some of the points whose coordinates are on the axes.

    Args:
        axes: the values of each coordinate, 1-dim.
        start: number of the first point, in the order of `product_grid`.
        stop: number after the last.

    Returns:
        Shape (stop − start, d).

    Example:
        >>> product_part([torch.tensor([0.0, 1.0]), torch.tensor([5.0, 6.0, 7.0])], 2, 4).tolist()
        [[0.0, 7.0], [1.0, 5.0]]
    """
    rows, columns = torch.arange(start, stop), []
    for values in reversed(axes):
        columns.append(values[rows % len(values)])
        rows = rows // len(values)
    return torch.stack(columns[::-1], dim=1)


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
