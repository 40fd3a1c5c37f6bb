"""Which unknown coefficients an equation and its conditions take."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

from torch import nn

from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.problems.coefficient import Coefficient
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.operators import NORMAL, U_PARTNER, X_PARTNER, Asked, U, X
from laaf_lightning.problems.pde import PDE

_ARGUMENTS = (X, U, NORMAL, X_PARTNER, U_PARTNER)


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
        ConfigurationError: naming the coefficient, also where its name is no name for one, or its first guess is no
            finite number, and for true values of others.
    """
    kind, guesses = _kind(problem), problem.coefficients()
    for name, guess in guesses.items():
        _check_guess(kind, name, guess)
    taken = {*residual_coefficients(problem)}
    for condition in conditions:
        taken |= {*asked_of(problem, condition).coefficients}
    for name in guesses:
        if name not in taken:
            raise ConfigurationError(
                f"{kind}.coefficients() has {name!r}, which {kind}.residual does not take: write "
                f"residual(self, x, u, {name}), or take it in the operator of a condition, "
                f"Condition(name, where, lambda x, u, normal, {name}: …)"
            )
    for name, true in problem.true_coefficients().items():
        if name not in guesses:
            raise ConfigurationError(unknown_choice(f"coefficient in {kind}.true_coefficients()", name, guesses))
        if not _is_number(true):
            raise ConfigurationError(
                f"{kind}.true_coefficients() has {name!r}: {true!r}: it must be a finite number; leave it out where it "
                "is not known"
            )
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


def _check_guess(kind: str, name: object, guess: object) -> None:
    what = f"{kind}.coefficients() has {name!r}"
    if not isinstance(name, str) or not name.isidentifier() or name in _ARGUMENTS:
        raise ConfigurationError(
            f"{what}, which cannot be an argument beside {', '.join(_ARGUMENTS)}: name it otherwise, such as"
            " 'viscosity'"
        )
    if hasattr(nn.ParameterDict, name):
        raise ConfigurationError(f"{what}, a name that torch keeps for itself: take another, such as '{name}_'")
    if isinstance(guess, Coefficient):
        return
    if isinstance(guess, Real) and not math.isfinite(guess):
        raise ConfigurationError(f"the first guess of {name!r} in {kind} is {guess}: it must be finite")
    if not _is_number(guess):
        raise ConfigurationError(
            f"the first guess of {name!r} in {kind} is {guess!r}: it must be a finite number, or a Coefficient("
            "guess, …)"
        )


def _is_number(value: Any) -> bool:
    if isinstance(value, (str, bool, type)):
        return False
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, RuntimeError):
        return False


def _kind(problem: PDE) -> str:
    return type(problem).__name__
