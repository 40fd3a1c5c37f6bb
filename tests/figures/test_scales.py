from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from laaf_lightning.figures.canvas import finite
from laaf_lightning.figures.scales import solution_scale

SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"
U = np.linspace(0, 1, 21)
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)


@pytest.mark.parametrize("sign", [1, -1])
def test_solution_of_one_sign_is_sequential_over_the_values_of_both(sign: int) -> None:
    colours, norm = solution_scale(sign * (1.5 + U), sign * (1 + U))
    assert colours == SEQUENTIAL
    assert sorted([sign, sign * 2.5]) == [norm.vmin, norm.vmax]


def test_solution_of_both_signs_is_diverging_with_zero_in_the_middle() -> None:
    colours, norm = solution_scale(3 * U - 1, 2 * U - 1)
    assert (colours, norm.vmin, norm.vmax, norm(0.0)) == (DIVERGING, -2, 2, 0.5)


@pytest.mark.parametrize("overshoot", [1e-12, 0.3])
def test_exact_solution_decides_where_the_prediction_crosses_zero_by_its_error(overshoot: float) -> None:
    colours, norm = solution_scale(U - overshoot, U)
    assert (colours, norm.vmin, norm.vmax) == (SEQUENTIAL, -overshoot, 1)


def test_exact_solution_decides_where_the_prediction_is_of_one_sign_still() -> None:
    assert solution_scale(0.1 + 0 * U, 2 * U - 1)[0] == DIVERGING


def test_rounding_below_zero_makes_no_sign_of_an_exact_solution() -> None:
    x = np.linspace(-1, 1, 101)
    exact = np.sin(np.pi * x) ** 2 * 1.0
    exact[0] = -1.2e-16
    assert solution_scale(exact, exact)[0] == SEQUENTIAL


@pytest.mark.parametrize(("overshoot", "colours"), [(0.009, SEQUENTIAL), (0.02, DIVERGING)])
@pytest.mark.parametrize("sign", [1, -1])
def test_without_exact_solution_a_hundredth_of_the_largest_value_is_overshoot(
    overshoot: float, colours: str, sign: int
) -> None:
    u_hat = U.copy()
    u_hat[0] = -overshoot
    assert solution_scale(sign * u_hat)[0] == colours


@pytest.mark.parametrize("unknown", [0 * U, np.nan * U])
def test_prediction_decides_where_the_exact_solution_has_no_sign(unknown: NDArray[np.float64]) -> None:
    assert solution_scale(2 * U - 1, unknown)[0] == DIVERGING
    assert solution_scale(U, unknown)[0] == SEQUENTIAL


@given(arrays(np.float64, 4, elements=ANY_FLOAT), arrays(np.float64, 4, elements=ANY_FLOAT) | st.none())
def test_scale_holds_every_finite_value_of_both_and_is_symmetric_where_it_is_diverging(
    prediction: NDArray[np.float64], exact: NDArray[np.float64] | None
) -> None:
    both = [finite(values) for values in (prediction, exact) if values is not None]
    shown = np.concatenate(both)
    assume(np.isfinite(shown).any())
    colours, norm = solution_scale(*both)
    assert norm.vmin is not None
    assert norm.vmax is not None
    assert norm.vmin <= np.nanmin(shown)
    assert np.nanmax(shown) <= norm.vmax
    if colours == DIVERGING:
        assert norm.vmin == -norm.vmax
    else:
        assert (norm.vmin, norm.vmax) == (np.nanmin(shown), np.nanmax(shown))
