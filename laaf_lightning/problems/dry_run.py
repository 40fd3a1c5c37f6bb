"""Which derivatives an equation and its conditions ask for: found once, by running them on plain numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from laaf_lightning.derivatives import Order, RecordingField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions import Condition
from laaf_lightning.problems.pde import PDE

_POINTS = 5


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
    points, u = _points(problem), _field(problem)
    coefficients = {name: torch.tensor(float(guess)) for name, guess in problem.coefficients().items()}
    residual = problem.residual(problem.columns(points), u, **coefficients)
    if not isinstance(residual, Tensor) or residual.ndim != 2 or len(residual) != _POINTS:
        got = f"shape {tuple(residual.shape)}" if isinstance(residual, Tensor) else f"a {type(residual).__name__}"
        raise ConfigurationError(
            f"{type(problem).__name__}.residual gives {got} at N={_POINTS} points: it must return a tensor of shape "
            "(N, 1), or (N, E) for E equations (torch.cat([…], dim=1))"
        )
    return frozenset(u.asked)


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
        u, partner = _field(problem), _field(problem)
        condition.operator(u, partner)
        asked |= u.asked | partner.asked
    return frozenset(asked)


def _points(problem: PDE) -> Tensor:
    bounds = torch.tensor([problem.domain[name] for name in problem.coordinates])
    generator = torch.Generator().manual_seed(0)
    return bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) * torch.rand(_POINTS, len(bounds), generator=generator)


def _field(problem: PDE) -> RecordingField:
    generator = torch.Generator().manual_seed(1)
    values = 0.5 + torch.rand(_POINTS, len(problem.unknowns), generator=generator)
    return RecordingField(values, problem.coordinates, problem.unknowns)
