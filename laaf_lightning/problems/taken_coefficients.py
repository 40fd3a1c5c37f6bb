"""Which unknown coefficients an equation and its conditions take."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.operators import NORMAL, Asked
from laaf_lightning.problems.pde import PDE


def residual_coefficients(problem: PDE) -> tuple[str, ...]:
    """Return the coefficients that a residual takes.

    Args:
        problem: the equation.

    Returns:
        Their names: all of them for a residual with ``**coefficients``.
    """
    arguments = inspect.signature(problem.residual).parameters
    takes_any = any(argument.kind is argument.VAR_KEYWORD for argument in arguments.values())
    return tuple(name for name in problem.coefficients() if takes_any or name in [*arguments][2:])


def asked_of(problem: PDE, condition: Condition) -> Asked:
    """Find what the operator of a condition is called with.

    Args:
        problem: names the coefficients.
        condition: one of its conditions.

    Returns:
        The operator with its arguments.
    """
    return condition._asked(tuple(problem.coefficients()), f"the condition {condition.name!r} of {_kind(problem)}")


def asks_for_normals(problem: PDE, condition: Condition) -> bool:
    """Tell whether the operator of a condition takes normals.

    Args:
        problem: names the coefficients.
        condition: one of its conditions.

    Returns:
        Whether it does.
    """
    return NORMAL in asked_of(problem, condition).places


def check_coefficients(problem: PDE, conditions: Sequence[Condition]) -> None:
    """Refuse coefficients that nobody takes, and those that are taken and not there.

    Args:
        problem: the equation.
        conditions: its conditions.

    Raises:
        ConfigurationError: naming the coefficient, also where its first guess is not finite.
    """
    kind, guesses = _kind(problem), problem.coefficients()
    taken = {*residual_coefficients(problem)}
    for condition in conditions:
        taken |= {*asked_of(problem, condition).coefficients}
    for name, guess in guesses.items():
        if name not in taken:
            raise ConfigurationError(
                f"{kind}.coefficients() has {name!r}, which {kind}.residual does not take: write "
                f"residual(self, x, u, {name}), or take it in the operator of a condition, "
                f"Condition(name, where, lambda x, u, normal, {name}: …)"
            )
        if not math.isfinite(guess):
            raise ConfigurationError(f"the first guess of {name!r} in {kind} is {guess}: it must be finite")
    for name, argument in [*inspect.signature(problem.residual).parameters.items()][2:]:
        needed = argument.default is argument.empty and argument.kind not in {
            argument.VAR_POSITIONAL,
            argument.VAR_KEYWORD,
        }
        if needed and name not in guesses:
            raise ConfigurationError(
                f"{kind}.residual takes {name!r}, which {kind}.coefficients() lacks: give it a first guess there, or "
                f"take a constant from self"
            )


def _kind(problem: PDE) -> str:
    return type(problem).__name__
