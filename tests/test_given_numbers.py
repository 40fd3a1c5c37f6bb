from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import as_columns, as_tensor

EXPECTED = [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.array(EXPECTED), torch.float64),
        (np.array(EXPECTED, np.float32), torch.float32),
        (np.array(EXPECTED, np.float16), torch.float64),
        (np.array(EXPECTED, np.longdouble), torch.float64),
        (np.array(EXPECTED, ">f8"), torch.float64),
        (np.array(EXPECTED, np.int16), torch.float64),
        (np.array([row[::-1] for row in EXPECTED])[:, ::-1], torch.float64),
        (np.array(EXPECTED, order="F"), torch.float64),
        ([[1, 2], [3, 4]], torch.float64),
        (((1.0, 2), (3, 4.0)), torch.float64),
        ([np.array([1.0, 2.0]), torch.tensor([3.0, 4.0])], torch.float64),
    ],
)
def test_whatever_numpy_takes_for_real_numbers_becomes_a_tensor(given: Any, dtype: torch.dtype) -> None:
    taken = as_tensor(given, "points")
    assert taken.tolist() == EXPECTED
    assert (taken.dtype, taken.is_contiguous()) == (dtype, True)


@pytest.mark.parametrize(
    "given", [torch.zeros(2, 3), torch.zeros(2, dtype=torch.int8), torch.zeros(2, requires_grad=True)]
)
def test_a_tensor_is_left_as_it_is(given: Tensor) -> None:
    assert as_tensor(given, "points") is given


@pytest.mark.filterwarnings("error")
def test_an_array_is_copied_read_only_ones_too() -> None:
    array = np.ones(3)
    array.setflags(write=False)
    taken = as_tensor(array, "points")
    taken += 1
    assert array.tolist() == [1, 1, 1]


def test_what_is_masked_is_no_number() -> None:
    masked = np.ma.masked_array(np.array([1, 2], np.int64), [False, True])
    assert as_tensor(masked, "points").isnan().tolist() == [False, True]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("0.5", "'0.5'"),
        (None, r"None \(a function without return gives None\)"),
        ([1.0, "two"], r"\[1.0, 'two'\]"),
        ([[1.0, 2.0], [3.0]], r"\[\[1.0, 2.0\], \[3.0\]\]"),
        ({"x": 1.0}, r"\{'x': 1.0\}"),
        (1j, "1j"),
        (np.array([1j]), "a ndarray of dtype complex128"),
        (torch.ones(2, dtype=torch.complex64), r"a Tensor of dtype torch\.complex64"),
        (np.array(["2026-01-01"], "datetime64[D]"), r"a ndarray of dtype datetime64\[D\]"),
        (float, "<class 'float'>"),
        (["a long list of words"] * 9, "a list"),
        ([torch.zeros(2, requires_grad=True)], "tensor|a list"),
    ],
)
def test_what_holds_no_real_numbers_is_refused_with_what_it_is(given: Any, shown: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"^points is .*{shown}.*: it must be real numbers, as a number, a list"
    ):
        as_tensor(given, "points")


POINTS = torch.zeros(3, 2)


@pytest.mark.parametrize(
    ("given", "columns"),
    [
        (7, 1),
        (7.0, 2),
        (np.float32(7), 1),
        (np.array(7.0), 1),
        (torch.tensor(7), 3),
        ([7, 7, 7], 1),
        (np.full(3, 7.0), 1),
        (np.full((3, 1), 7, np.float32), 1),
        (torch.full((3,), 7.0), 1),
        (torch.full((3, 2), 7.0), 2),
        (np.full((3, 2), 7.0), 2),
    ],
)
def test_values_become_one_row_for_each_point(given: Any, columns: int) -> None:
    assert as_columns(given, POINTS, columns, "u").tolist() == [[7.0] * columns] * 3


def test_numbers_take_the_points_dtype_and_arrays_keep_theirs() -> None:
    assert as_columns(7, POINTS, 1, "u").dtype == torch.float32
    assert as_columns(7, POINTS.double(), 1, "u").dtype == torch.float64
    assert as_columns(np.zeros(3), POINTS, 1, "u").dtype == torch.float64


def test_a_tensor_that_fits_is_left_as_it_is() -> None:
    values = torch.zeros(3, 2)
    assert as_columns(values, POINTS, 2, "u") is values


@pytest.mark.parametrize(
    ("shape", "columns", "allowed"),
    [
        ((1,), 1, "(3, 1) or (3,)"),
        ((1, 1), 1, "(3, 1) or (3,)"),
        ((4,), 1, "(3, 1) or (3,)"),
        ((1, 3), 1, "(3, 1) or (3,)"),
        ((3, 2), 1, "(3, 1) or (3,)"),
        ((3, 1, 1), 1, "(3, 1) or (3,)"),
        ((3,), 2, "(3, 2)"),
        ((3, 1), 2, "(3, 2)"),
        ((2, 3), 2, "(3, 2)"),
    ],
)
@pytest.mark.parametrize("kind", [np.zeros, torch.zeros])
def test_other_shapes_are_refused_with_what_is_allowed(
    kind: Any, shape: tuple[int, ...], columns: int, allowed: str
) -> None:
    text = f"u has shape {shape} at 3 points: it must be a number, or of shape {allowed}"
    with pytest.raises(ConfigurationError, match=f"^{re.escape(text)}$"):
        as_columns(kind(shape), POINTS, columns, "u")
