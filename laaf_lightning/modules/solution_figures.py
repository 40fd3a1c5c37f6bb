"""A solution on its problem's grid, as data for figures."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from laaf_lightning.figures import Drawable, PlaneData, RegressionData, SpaceTimeData
from laaf_lightning.problems import PDE

_TIMES = {"t", "time"}


def solution_figures(problem: PDE, predict: Callable[[Tensor], Tensor]) -> dict[str, Drawable]:
    """Evaluate a solution for drawing.

    Args:
        problem: the equation, with its grid and, if known, its exact solution.
        predict: maps points (N, d) to û (N, C).

    Returns:
        One entry for each unknown, under the problem's name, for problems in one coordinate whose solution is known
        and for those in two; else nothing.
    """
    if len(problem.coordinates) > 2:
        return {}
    grid = problem.grid()
    prediction, exact = predict(grid).double().cpu(), problem.exact(grid)
    name, several = type(problem).__name__.lower(), len(problem.unknowns) > 1
    figures = {}
    for index, unknown in enumerate(problem.unknowns):
        u_exact = None if exact is None else exact[:, index].cpu()
        drawable = _drawable(problem, prediction[:, index], u_exact)
        if drawable is not None:
            figures[f"{name}_{unknown}" if several else name] = drawable
    return figures


def _drawable(problem: PDE, prediction: Tensor, exact: Tensor | None) -> Drawable | None:
    values_of = problem.axes()
    axes = [values_of[name].numpy() for name in problem.coordinates]
    if len(axes) == 1:
        return None if exact is None else RegressionData(axes[0], exact.numpy(), prediction.numpy())
    first, second = problem.coordinates
    shape = len(axes[0]), len(axes[1])
    values = [None if part is None else torch.reshape(part, shape).T.numpy() for part in (prediction, exact)]
    assert values[0] is not None
    kind = SpaceTimeData if second in _TIMES else PlaneData
    return kind(axes[0], axes[1], values[0], values[1], coordinates=(first, second))
