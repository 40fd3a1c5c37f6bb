"""Numbers as users give them: tensors, NumPy arrays, lists and plain numbers, taken as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from laaf_lightning.errors import ConfigurationError

Numbers: TypeAlias = Tensor | npt.NDArray[Any] | Sequence[Any] | float

_LONGEST = 60  # characters of a value in a message
_KINDS = "biuf"  # of NumPy: truth values, whole numbers, floating-point numbers


def as_tensor(numbers: object, what: str) -> Tensor:
    """Take numbers as a tensor.

    Args:
        numbers: a tensor, which is returned as it is; or anything that NumPy takes for an array of real numbers, which
            is copied: in float32 if it is that, else in float64.
        what: whose numbers they are, for the error.

    Returns:
        The tensor, on the CPU if it was none.

    Raises:
        ConfigurationError: for what holds no real numbers, or rows of different lengths.

    Example:
        >>> as_tensor([[1, 2], [3, 4]], "points")
        tensor([[1., 2.],
                [3., 4.]], dtype=torch.float64)
    """
    if isinstance(numbers, Tensor):
        if numbers.is_complex():
            raise ConfigurationError(_no_numbers(numbers, what))
        return numbers
    if isinstance(numbers, np.ma.MaskedArray):
        numbers = np.ma.filled(
            numbers.astype(np.float64), np.nan
        )  # what is masked is no number, and is refused as such
    try:
        array = np.asarray(numbers)
    except (ValueError, TypeError, RuntimeError):  # ragged lists, and tensors in a list that need a gradient
        raise ConfigurationError(_no_numbers(numbers, what)) from None
    if array.dtype.kind not in _KINDS:
        raise ConfigurationError(_no_numbers(numbers, what))
    # A copy is native, contiguous and writable, as torch needs it, and stays as it is where the caller's changes.
    return torch.from_numpy(np.array(array, np.float32 if array.dtype == np.float32 else np.float64, order="C"))


def as_columns(numbers: object, points: Tensor, columns: int, what: str) -> Tensor:
    """Take the values of a function at points as one row for each.

    Args:
        numbers: a number, which is the same everywhere; shape (N, C); or (N,) where C = 1. As for `as_tensor`.
        points: where, shape (N, d).
        columns: C.
        what: whose values they are, for the error.

    Returns:
        Shape (N, C); a tensor of that shape is returned as it is.

    Raises:
        ConfigurationError: for what holds no real numbers, and for other shapes.

    Example:
        >>> points = torch.zeros(2, 3)
        >>> as_columns(7, points, 1, "u").tolist(), as_columns(np.array([1.0, 2.0]), points, 1, "u").tolist()
        ([[7.0], [7.0]], [[1.0], [2.0]])
    """
    values, count = as_tensor(numbers, what), len(points)
    if values.shape == (count, columns):
        return values if isinstance(numbers, Tensor) else values.to(points.device)
    if values.ndim == 0:
        return values.to(points).expand(count, columns).contiguous()
    if columns == 1 and values.shape == (count,):
        return values.to(points.device)[:, None]
    one_column = f" or ({count},)" if columns == 1 else ""
    raise ConfigurationError(
        f"{what} has shape {tuple(values.shape)} at {count} points: it must be a number, or of shape "
        f"({count}, {columns}){one_column}"
    )


def as_inputs(numbers: object, network: nn.Module, what: str, *, keeps_whole_numbers: bool = False) -> Tensor:
    """Take inputs of a network in the network's dtype, on its device.

    Args:
        numbers: as for `as_tensor`; a tensor that fits is returned as it is.
        network: its first floating-point parameter tells both; without one, tensors are left as they are.
        what: whose numbers they are, for the error.
        keeps_whole_numbers: whether tensors of integers are left to the network, which may look them up in a table.

    Returns:
        The tensor, attached to the graph of the one that was given.

    Example:
        >>> as_inputs(np.zeros((3, 2)), nn.Linear(2, 1), "points").dtype
        torch.float32
    """
    if isinstance(numbers, Tensor) and keeps_whole_numbers and not numbers.is_floating_point():
        return numbers
    like = next((parameter for parameter in network.parameters() if parameter.is_floating_point()), None)
    inputs = as_tensor(numbers, what)
    if like is None:
        return inputs if isinstance(numbers, Tensor) else inputs.to(torch.get_default_dtype())
    return inputs.to(like)


def _no_numbers(given: object, what: str) -> str:
    text = f"a {type(given).__name__} of dtype {given.dtype}" if hasattr(given, "dtype") else repr(given)
    text = text if len(text) <= _LONGEST else f"a {type(given).__name__}"
    forgotten = " (a function without return gives None)" if given is None else ""
    return (
        f"{what} is {text}{forgotten}: it must be real numbers, as a number, a list with rows of equal length, a NumPy "
        "array or a tensor"
    )
