"""The scopes in which a slope is trained, and the scaling factor n."""

from __future__ import annotations

import math
from typing import Literal, get_args

from laaf_lightning.errors import ConfigurationError, unknown_choice

Scope = Literal["fixed", "global", "layer", "channel", "neuron"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
_SMALLEST, _LARGEST = 1e-30, 1e30


def check_scope(scope: str) -> Scope:
    """Return `scope` if it is one of the five, else raise an error that lists them.

    Args:
        scope: ``"fixed"``, ``"global"``, ``"layer"``, ``"channel"`` or ``"neuron"``.

    Returns:
        The same string, typed.

    Raises:
        ConfigurationError: if it is another one.
    """
    for known in SCOPES:
        if scope == known:
            return known
    raise ConfigurationError(unknown_choice("scope", scope, SCOPES))


def check_scaling_factor(n: float) -> float:
    """Return the scaling factor as a float if it is positive, and neither it nor 1/n beyond float32.

    Args:
        n: the fixed factor in σ(n·a·z); the paper takes n ≥ 1.

    Returns:
        `n` as a Python float.

    Raises:
        ConfigurationError: otherwise.
    """
    try:
        number = math.nan if isinstance(n, (bool, str)) else float(n)
    except (TypeError, ValueError):
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        raise ConfigurationError(f"n={n!r} must be a finite number > 0 (the paper takes n >= 1, often 10)")
    if not _SMALLEST <= number <= _LARGEST:
        raise ConfigurationError(
            f"n={n!r} must be from {_SMALLEST:g} to {_LARGEST:g}, so that a slope of 1/n has room in float32 (the "
            "paper takes n >= 1, often 10)"
        )
    return number
