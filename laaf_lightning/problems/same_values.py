"""Whether two values that describe a problem are the same, whatever they are: it never raises."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

_LONGEST = 60  # characters of a value in a message


def same_values(one: object, other: object) -> bool:
    """Compare two values by what they hold.

    Tensors and arrays are compared by shape, dtype and elements, NaN being equal to itself; tables that have
    ``equals``, as those of pandas, by that; lists, tuples and mappings element by element; modules by their state; and
    objects without a comparison of their own by their attributes. What cannot be compared is not the same.

    Args:
        one: anything.
        other: anything.

    Returns:
        Whether they are the same.

    Example:
        >>> import numpy as np, torch
        >>> same_values({"a": torch.ones(2)}, {"a": torch.ones(2)}), same_values(np.zeros(2), np.zeros(3))
        (True, False)
    """
    try:
        return _same(one, other, frozenset())
    except Exception:  # of whatever a user's class does when it is compared
        return False


def shown(value: object) -> str:
    """Show a value in a message, arrays and tables by their shape.

    Args:
        value: anything.

    Returns:
        One line.

    Example:
        >>> import torch
        >>> shown(torch.zeros(3, 1)), shown(2.0)
        ('<Tensor of shape (3, 1)>', '2.0')
    """
    if hasattr(value, "shape") and hasattr(value, "ndim") and value.ndim:
        return f"<{type(value).__name__} of shape {tuple(value.shape)}>"
    text = repr(value)
    return text if len(text) <= _LONGEST or isinstance(value, (int, float, str)) else f"<{type(value).__name__}>"


def _same(one: Any, other: Any, compared: frozenset[tuple[int, int]]) -> bool:
    if one is other or (id(one), id(other)) in compared:  # the second in objects that hold each other
        return True
    within = compared | {(id(one), id(other))}
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        alike = (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device)
        return alike and bool(((one == other) | (one.isnan() & other.isnan())).all())
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key], within) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        alike = isinstance(one, list) == isinstance(other, list) and len(one) == len(other)
        return alike and all(_same(*pair, within) for pair in zip(one, other, strict=True))
    return _same_kind(one, other, within) if type(one) is type(other) else bool(one == other)


def _same_kind(one: Any, other: Any, within: frozenset[tuple[int, int]]) -> bool:
    """Compare two objects of one class."""
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if callable(equals := getattr(one, "equals", None)):
        return bool(equals(other))
    if isinstance(one, nn.Module):
        return _same(one.state_dict(), other.state_dict(), within)
    if isinstance(one, partial):
        return _same((one.func, one.args, one.keywords), (other.func, other.args, other.keywords), within)
    if _compares_by_identity(one) and hasattr(one, "__dict__") and not isinstance(one, type):
        # A function has no attributes, and is another one unless it is the same object.
        return bool(vars(one)) and _same(vars(one), vars(other), within)
    return bool(one == other)


def _compares_by_identity(value: Any) -> bool:
    return getattr(type(value), "__eq__", None) is object.__eq__
