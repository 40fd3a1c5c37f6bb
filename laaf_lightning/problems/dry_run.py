"""Which derivatives an equation and its conditions ask for: found once, by running them on plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import torch
from torch import Tensor

from laaf_lightning.derivatives import Order, RecordingField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.named_terms import check_equations
from laaf_lightning.problems.pde import PDE

_COUNTS = (5, 7)  # two, since a residual of shape (N, N) looks like one of N equations


def residual_orders(problem: PDE) -> frozenset[Order]:
    """Find the derivatives that a residual asks for.

    Args:
        problem: the equation.

    Returns:
        Sorted column indices, without u itself.

    Raises:
        ConfigurationError: if the residual is not of shape (N, E), or asks for a coordinate that does not exist.

    Example:
        >>> from laaf_lightning.problems import Burgers
        >>> sorted(residual_orders(Burgers()))
        [(0,), (0, 0), (1,)]
    """
    coefficients = {name: torch.tensor(float(guess)) for name, guess in problem.coefficients().items()}
    asked: set[Order] = set()
    shapes = []
    for count in _COUNTS:
        u = _field(problem, count)
        residual = problem.residual(problem.columns(_points(problem, count)), u, **coefficients)
        shapes.append(_shape(problem, residual, count))
        asked |= u.asked
    if len({columns for _, columns in shapes}) > 1:
        _refuse_shape(problem, f"shapes {' and '.join(map(str, shapes))}", " and ".join(map(str, _COUNTS)))
    names = [condition.name for condition in problem.conditions()]
    check_equations(type(problem).__name__, problem.equations, shapes[0][1], names)
    return frozenset(asked)


def condition_orders(problem: PDE, conditions: Sequence[Condition]) -> frozenset[Order]:
    """Find the derivatives that conditions ask for.

    Args:
        problem: the equation.
        conditions: some of its conditions.

    Returns:
        Sorted column indices, without u itself.
    """
    asked: set[Order] = set()
    for condition in conditions:
        u, partner = (_field(problem, _COUNTS[0]) for _ in range(2))
        condition.operator(u, partner)
        asked |= u.asked | partner.asked
    return frozenset(asked)


def _shape(problem: PDE, residual: object, count: int) -> tuple[int, int]:
    if not isinstance(residual, Tensor):
        _refuse_shape(problem, f"a {type(residual).__name__}", str(count))
    if residual.ndim != 2 or len(residual) != count:
        _refuse_shape(problem, f"shape {tuple(residual.shape)}", str(count))
    return count, residual.shape[1]


def _refuse_shape(problem: PDE, got: str, counts: str) -> NoReturn:
    raise ConfigurationError(
        f"{type(problem).__name__}.residual gives {got} at N={counts} points: it must return a tensor of shape (N, 1), "
        "or (N, E) for E equations (torch.cat([…], dim=1))"
    )


def _points(problem: PDE, count: int) -> Tensor:
    return problem.geometry.sample_interior(count, seed=0).float()


def _field(problem: PDE, count: int) -> RecordingField:
    generator = torch.Generator().manual_seed(1)
    values = 0.5 + torch.rand(count, len(problem.unknowns), generator=generator)
    return RecordingField(values, problem.coordinates, problem.unknowns)
