"""Residuals that couple points, such as one with a mean over them: another equation for every number of points."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field, Order
from laaf_lightning.derivatives.engines.probe import as_it_was
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE
from laaf_lightning.solutions.network_fields import NetworkFields

_HALF = 16  # points
_ALONE, _WITH_OTHERS = 1e-2, 1e-5  # of the largest residual: what rounding changes where sizes differ, and do not

OwnResidual: TypeAlias = Callable[[Tensor, None], Tensor]


def couples_points(solution: NetworkFields, own_residual: OwnResidual | None = None) -> bool:
    """Tell whether the residual at some points depends on which others it is computed with.

    It is computed at two halves of a few points together, at each half alone, and at each half together with other
    points. No random number is drawn. A residual that is random, or fails, is taken as one that does not.

    Args:
        solution: the problem, whose equation is given numbers in the place of u.
        own_residual: asked, with the network, in the place of the equation.

    Returns:
        Whether it does, as far as these points show it.
    """
    network = solution.network
    with as_it_was(network, training=False), torch.no_grad():
        try:
            return _differs(_residual(solution, own_residual), *_points(solution))
        except Exception:  # which has its own words in its own place
            return False


def found_coupled(
    solution: NetworkFields, own_residual: OwnResidual | None, chunk_size: int | None, *, known: bool = False
) -> bool:
    """Look whether a residual couples points, and say so.

    Args:
        solution: as for `couples_points`.
        own_residual: likewise.
        chunk_size: most residual points at a time; None for all.
        known: whether that was said before.

    Returns:
        Whether it does.

    Raises:
        ConfigurationError: if it does, and there are chunks.
    """
    if not couples_points(solution, own_residual):
        return False
    refuse_chunks(solution.problem, chunk_size)
    if not known:
        warnings.warn(
            f"{about_coupled_points(solution.problem)}; chunks, minibatches and several processes are refused, and "
            "losses are comparable between runs of as many points only",
            stacklevel=4,
        )
    return True


def about_coupled_points(problem: PDE) -> str:
    """Say what is the matter.

    Args:
        problem: whose residual couples points.

    Returns:
        A clause.
    """
    return (
        f"the residual of {type(problem).__name__} at one point depends on the others that it is computed with (as a "
        "mean, a sum, a sort or an index over the points does), so that another number of points is another equation"
    )


def refuse_chunks(problem: PDE, chunk_size: int | None, count: int | None = None) -> None:
    """Refuse chunks of coupled points.

    Args:
        problem: whose residual couples points.
        chunk_size: most points at a time; None for all.
        count: of all points, if it is known.

    Raises:
        ConfigurationError: for chunks.
    """
    if chunk_size is not None and (count is None or chunk_size < count):
        raise ConfigurationError(
            f"chunk_size={chunk_size}: {about_coupled_points(problem)}, and chunks would change the result: leave "
            "chunk_size out (--model.chunk_size null)"
        )


class _Numbers(Field):
    """Numbers that depend on the row alone, in the place of u and its derivatives; all between 0.5 and 1.5."""

    def _derivative(self, order: Order) -> Tensor:
        factor = 2.0 + sum((column + 1) * 3**place for place, column in enumerate(order))
        return torch.add(torch.remainder(factor * self.value, 1.0), 0.5)


def _residual(solution: NetworkFields, own_residual: OwnResidual | None) -> Callable[[Tensor, Tensor], Tensor]:
    problem = solution.problem

    def at(points: Tensor, values: Tensor) -> Tensor:
        if own_residual is not None:
            return own_residual(points, None).detach()
        return solution.residual_of(_Numbers(values, problem.coordinates, problem.unknowns), points).detach()

    return at


def _points(solution: NetworkFields) -> tuple[Tensor, Tensor]:
    """Return four halves of points, and of values, of which the second two differ from the first two in size too."""
    problem, like = solution.problem, next(solution.parameters(), torch.zeros(()))
    points = problem.geometry.sample_interior(4 * _HALF, seed=0)
    generator = torch.Generator().manual_seed(0)
    values = 0.5 + torch.rand(4 * _HALF, len(problem.unknowns), generator=generator)
    values[2 * _HALF :] += 0.5
    return points.to(like), values.to(like)


def _differs(residual: Callable[[Tensor, Tensor], Tensor], points: Tensor, values: Tensor) -> bool:
    first, second, third, fourth = ([part] for part in zip(points.split(_HALF), values.split(_HALF), strict=True))

    def at(*halves: tuple[Tensor, Tensor]) -> Tensor:
        return residual(torch.cat([half[0] for half in halves]), torch.cat([half[1] for half in halves]))

    together = at(*first, *second)
    if not torch.equal(together.nan_to_num(), at(*first, *second).nan_to_num()):
        return False  # random
    with_others = torch.cat([at(*first, *third)[:_HALF], at(*fourth, *second)[_HALF:]])
    alone = torch.cat([at(*first), at(*second)])
    return _far(with_others, together, _WITH_OTHERS) or _far(alone, together, _ALONE)


def _far(residual: Tensor, other: Tensor, tolerance: float) -> bool:
    sound = residual.isfinite() & other.isfinite()
    size = torch.where(sound, other.abs(), 0.0).amax(dim=0)
    gap = torch.where(sound, (residual - other).abs(), 0.0)
    return bool((gap > tolerance * size).any())
