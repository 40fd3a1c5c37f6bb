"""The exact solution of a problem as a tensor, however the problem gives it."""

from __future__ import annotations

from torch import Tensor

from laaf_lightning.given_numbers import as_columns
from laaf_lightning.problems.pde import PDE


def exact_solution(problem: PDE, points: Tensor) -> Tensor | None:
    """Ask a problem for its exact solution.

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
    exact = problem.exact(points)
    if exact is None:
        return None
    return as_columns(exact, points, len(problem.unknowns), f"{type(problem).__name__}.exact(points)")
