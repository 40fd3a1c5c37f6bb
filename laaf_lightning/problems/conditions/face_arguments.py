"""Whether a condition can lie where it is said to lie, and prescribe what it is said to prescribe."""

from __future__ import annotations

import operator
from numbers import Real
from typing import SupportsIndex

from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import as_tensor


def check_faces(name: str, faces: object) -> None:
    """Refuse what is no pair of numbers.

    Args:
        name: the condition's, for the error.
        faces: what was given.

    Raises:
        ConfigurationError: for anything but such a pair.
    """
    if not (isinstance(faces, (tuple, list)) and len(faces) == 2 and all(map(_is_number, faces))):
        raise ConfigurationError(
            f"faces={faces!r} of the condition {name!r} must be the two values of its coordinate, such as "
            "faces=(-1.0, 1.0)"
        )


def check_value(name: str, value: object) -> None:
    """Refuse what is neither a number nor a function.

    Args:
        name: the condition's, for the error.
        value: what was given.

    Raises:
        ConfigurationError: for anything else: a string, a class, an array of numbers.
    """
    what = f"the value of the condition {name!r}"
    if isinstance(value, type):
        raise ConfigurationError(
            f"{what} is the class {value.__name__}: give a number, or a function of the points, such as "
            "lambda points: points[:, :1]"
        )
    if callable(value):
        return
    numbers = as_tensor(value, what)
    if numbers.ndim:
        raise ConfigurationError(
            f"{what} has shape {tuple(numbers.shape)}, and its points are drawn anew: give a number, or a function of "
            "the points (N, d); for values at points of your own take PointData(name, points, values)"
        )


def check_order(name: str, order: object) -> None:
    """Refuse what is no order of a derivative.

    Args:
        name: the condition's, for the error.
        order: what was given.

    Raises:
        ConfigurationError: for anything but a whole number ≥ 0.
    """
    if not isinstance(order, SupportsIndex) or isinstance(order, bool) or operator.index(order) < 0:
        raise ConfigurationError(
            f"order={order!r} of the condition {name!r} must be a whole number >= 0: 0 for u itself, k for its k-th "
            "derivative"
        )


def check_factor(name: str, argument: str, factor: object) -> None:
    """Refuse what is no number.

    Args:
        name: the condition's, for the error.
        argument: what the factor is called.
        factor: what was given.

    Raises:
        ConfigurationError: for anything but a number: a string, a function of the points.
    """
    if not (_is_number(factor) or (isinstance(factor, Tensor) and factor.ndim == 0)):
        raise ConfigurationError(
            f"{argument}={factor!r} of the condition {name!r} must be a number; for one that depends on the place, or "
            f"is unknown, write Condition({name!r}, where, operator) with operator(x, u, normal) of what shall vanish"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
