from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Coefficient


@given(
    value=st.floats(1e-12, 1e12),
    scale=st.none() | st.floats(1e-12, 1e12),
    guess=st.floats(1e-12, 1e12),
    positive=st.booleans(),
)
def test_what_is_trained_and_the_coefficient_are_one_another_s_inverse(
    value: float, scale: float | None, guess: float, positive: bool
) -> None:
    coefficient = Coefficient(guess, scale=scale, positive=positive)
    inner = torch.tensor(coefficient.inner(value), dtype=torch.float64)
    assert coefficient.value(inner).item() == pytest.approx(value, rel=1e-8)


@given(inner=st.floats(-30, 30))
def test_a_positive_one_is_positive_whatever_is_trained(inner: float) -> None:
    value = Coefficient(2.0, scale=3.0, positive=True).value(torch.tensor(inner, dtype=torch.float64)).item()
    assert value == pytest.approx(3 * math.log1p(math.exp(inner)), rel=1e-6)
    assert value > 0


def test_without_scale_and_sign_it_is_the_number_that_is_trained() -> None:
    assert not Coefficient(0.7).is_transformed
    assert Coefficient(0.7).inner(0.7) == 0.7
    assert float(Coefficient(0.7)) == 0.7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"guess": math.nan}, r"guess=nan\): it must be a finite number"),
        ({"guess": "big"}, r"guess='big'\): it must be a finite number"),
        ({"guess": None}, r"guess=None\): it must be a finite number"),
        ({"guess": 0.0, "positive": True}, "the guess must be > 0"),
        ({"guess": -1.0, "positive": True}, "give the equation its opposite"),
        ({"guess": 1.0, "scale": 0.0}, r"scale=0.0\): it must be > 0"),
        ({"guess": 1.0, "scale": -2}, r"scale=-2.0\): it must be > 0"),
        ({"guess": 1.0, "scale": math.inf}, r"scale=inf\): it must be a finite number"),
        ({"guess": 1.0, "lr": -1e-3}, r"lr=-0.001\): it must be >= 0"),
        ({"guess": 1.0, "positive": "yes"}, r"positive='yes'\): it must be True or False"),
        ({"guess": 1.0, "lr": True}, r"lr=True\): it must be a finite number"),
    ],
)
def test_numbers_that_make_no_coefficient_are_refused(arguments: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Coefficient(**arguments)


def test_arrays_and_tensors_of_one_number_are_taken() -> None:
    coefficient = Coefficient(torch.tensor(2.0), scale=torch.tensor(4.0))  # type: ignore[arg-type]
    assert (coefficient.guess, coefficient.scale, coefficient.inner(2.0)) == (2.0, 4.0, 0.5)
    with pytest.raises(ConfigurationError, match=r"-1.0 is no value of Coefficient\(.*\), which is positive"):
        Coefficient(1.0, positive=True).inner(-1.0)
