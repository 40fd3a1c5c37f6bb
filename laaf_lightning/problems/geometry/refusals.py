"""What a shape cannot be made of: each with what to give instead."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import as_tensor


def names_of(kind: str, names: object, count: int | None = None) -> tuple[str, ...]:
    """Take the names of coordinates.

    Args:
        kind: the shape's class, for the error.
        names: what was given.
        count: how many there must be; None for any number ≥ 1.

    Returns:
        The names.

    Raises:
        ConfigurationError: for anything but so many different names.
    """
    sound = isinstance(names, (tuple, list)) and names and all(isinstance(name, str) and name for name in names)
    if not sound:
        raise ConfigurationError(f"coordinates={names!r} of {kind} must be a tuple of names, such as ('x', 'y')")
    assert isinstance(names, (tuple, list))
    if len(set(names)) < len(names):
        raise ConfigurationError(f"coordinates={tuple(names)!r} of {kind} has a name twice: each needs another")
    if count is not None and len(names) != count:
        raise ConfigurationError(f"coordinates={tuple(names)!r} of {kind} must be {count} names, one for each column")
    return tuple(names)


def finite_numbers(kind: str, what: str, values: object, count: int | None = None) -> tuple[float, ...]:
    """Take some finite numbers.

    Args:
        kind: the shape's class, for the error.
        what: the argument.
        values: what was given: a sequence, an array or a tensor of one dimension.
        count: how many there must be; None for any number ≥ 1.

    Returns:
        The numbers.

    Raises:
        ConfigurationError: for anything but so many finite numbers.
    """
    numbers = as_tensor(values, f"{what} of {kind}")
    expected = "numbers" if count is None else f"{count} numbers"
    if numbers.ndim != 1 or not len(numbers) or (count is not None and len(numbers) != count):
        raise ConfigurationError(f"{what}={values!r} of {kind} must be {expected}")
    if not numbers.isfinite().all():
        raise ConfigurationError(f"{what}={values!r} of {kind} must be {expected}, all of them finite")
    return tuple(numbers.double().tolist())


def finite_number(kind: str, what: str, value: object) -> float:
    """Take a finite number.

    Args:
        kind: the shape's class, for the error.
        what: the argument.
        value: what was given.

    Returns:
        The number.

    Raises:
        ConfigurationError: for anything else.
    """
    number = _scalar(kind, what, value)
    if not math.isfinite(number):
        raise ConfigurationError(f"{what}={value!r} of {kind} must be a finite number")
    return number


def positive_number(kind: str, what: str, value: object) -> float:
    """Take a length.

    Args:
        kind: the shape's class, for the error.
        what: the argument.
        value: what was given.

    Returns:
        The number.

    Raises:
        ConfigurationError: for anything but a finite number > 0, without which the shape has no interior.
    """
    number = _scalar(kind, what, value)
    if not (math.isfinite(number) and number > 0):
        raise ConfigurationError(f"{what}={value!r} of {kind} must be a finite number > 0: the shape has no interior")
    return number


def _scalar(kind: str, what: str, value: object) -> float:
    number = as_tensor(value, f"{what} of {kind}")
    return math.nan if number.ndim else float(number)


def point_array(kind: str, what: str, values: object, dimension: int) -> Tensor:
    """Take points, or vectors at points.

    Args:
        kind: the shape's class, for the error.
        what: the argument.
        values: what was given.
        dimension: d.

    Returns:
        Shape (M, d), float64, on the CPU.

    Raises:
        ConfigurationError: for another shape, no points at all, and numbers that are not finite.
    """
    points = as_tensor(values, f"{what} of {kind}").detach().double().cpu()
    if points.ndim != 2 or points.shape[1] != dimension or not len(points):
        raise ConfigurationError(
            f"{what} of {kind} has shape {tuple(points.shape)}: it must be (M, {dimension}), M >= 1"
        )
    if not points.isfinite().all():
        row = int((~points.isfinite()).any(dim=1).nonzero()[0])
        raise ConfigurationError(f"{what} of {kind} is not finite in row {row}: {points[row].tolist()}")
    return points


def unit_vectors(kind: str, vectors: Tensor) -> Tensor:
    """Scale normals to length 1.

    Args:
        kind: the shape's class, for the error.
        vectors: shape (M, d), finite.

    Returns:
        Shape (M, d).

    Raises:
        ConfigurationError: for a vector of length 0, which has no direction.
    """
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    if (lengths == 0).any():
        row = int((lengths[:, 0] == 0).nonzero()[0])
        raise ConfigurationError(f"normals of {kind} has a vector of length 0 in row {row}, which points nowhere")
    return vectors / lengths


def same_coordinates(operation: str, one: Sequence[str], other: Sequence[str]) -> None:
    """Refuse to combine shapes of different coordinates.

    Args:
        operation: as it is written, for the error.
        one: coordinates of the first.
        other: of the second.

    Raises:
        ConfigurationError: unless they are the same, in the same order.
    """
    if tuple(one) != tuple(other):
        raise ConfigurationError(
            f"{operation} combines shapes of the coordinates {tuple(one)!r} and {tuple(other)!r}: they must be the "
            "same, in the same order (coordinates=…)"
        )
