"""The grid and the exact solution of a problem as tensors, however the problem gives them."""

from __future__ import annotations

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import as_columns, as_tensor
from laaf_lightning.problems.geometry import AT_ONCE
from laaf_lightning.problems.pde import PDE


def exact_solution(problem: PDE, points: Tensor) -> Tensor | None:
    """Ask a problem for its exact solution, at many points some at a time.

    Args:
        problem: whose ``exact`` gives a tensor, a NumPy array or a number.
        points: shape (N, d).

    Returns:
        u at the points, shape (N, C) for C unknowns; None where the problem has no exact solution.

    Raises:
        ConfigurationError: for another shape, and for what holds no real numbers.

    Example:
        >>> import torch
        >>> from laaf_lightning.problems import Burgers
        >>> class Still(Burgers):
        ...     def exact(self, points):
        ...         return 0.0
        >>> exact_solution(Still(), torch.rand(3, 2)).shape
        torch.Size([3, 1])
    """
    if len(points) <= AT_ONCE:
        return _exact_at(problem, points)
    parts = []
    for part in points.split(AT_ONCE):
        try:
            exact = _exact_at(problem, part)
        except ConfigurationError:  # a table of the whole grid, say
            return _exact_at(problem, points)
        if exact is None:
            return None
        parts.append(exact)
    return torch.cat(parts)


def own_grid(problem: PDE) -> Tensor | None:
    """Return the points of a problem whose ``grid`` is its own.

    Args:
        problem: any; its ``grid`` may give an array.

    Returns:
        Shape (N, d), float64; None where the grid is the one that the axes span.

    Raises:
        ConfigurationError: for what are no points.
    """
    if type(problem).grid is PDE.grid:
        return None
    points, dimension = as_tensor(problem.grid(), f"{type(problem).__name__}.grid()"), len(problem.coordinates)
    if dimension == 1 and points.ndim == 1:
        points = points[:, None]
    if points.ndim != 2 or points.shape[1] != dimension or len(points) == 0:
        raise ConfigurationError(
            f"{type(problem).__name__}.grid() has shape {tuple(points.shape)}: it must give points of shape "
            f"(N, {dimension}), columns {', '.join(problem.coordinates)}, N >= 1"
        )
    return points.double()


def _exact_at(problem: PDE, points: Tensor) -> Tensor | None:
    exact = problem.exact(points)
    if exact is None:
        return None
    return as_columns(exact, points, len(problem.unknowns), f"{type(problem).__name__}.exact(points)")
