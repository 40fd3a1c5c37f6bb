from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import RegressionData
from tests.figures.reading import curve, curves, legend_texts, panels, titles

X = np.linspace(-3, 3, 100)
U = np.sin(6 * X)
U_HAT = U + 0.01 * X


def test_solution_shows_both_functions_over_the_grid() -> None:
    figure = RegressionData(X, U, U_HAT).figures()["solution"]
    (axes,) = panels(figure)
    lines = curves(axes)
    assert list(lines) == ["exact", "prediction"]
    np.testing.assert_array_equal(lines["exact"], (X, U))
    np.testing.assert_array_equal(lines["prediction"], (X, U_HAT))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$x$", "$u(x)$")
    assert axes.get_xlim() == (-3, 3)
    assert legend_texts(figure) == ["exact", "prediction"]


def test_error_is_the_absolute_difference_on_a_logarithmic_axis() -> None:
    (axes,) = panels(RegressionData(X, U, U_HAT).figures()["error"])
    x, error = curve(axes.get_lines()[0])
    np.testing.assert_array_equal(x, X)
    np.testing.assert_allclose(error, np.abs(U_HAT - U), rtol=1e-14)
    assert axes.get_yscale() == "log"
    assert "exact" in axes.get_ylabel()


def test_spectrum_holds_both_transforms_up_to_the_highest_index() -> None:
    (axes,) = panels(RegressionData(X, U, U_HAT, max_frequency=10).figures()["spectrum"])
    for label, u in (("exact", U), ("prediction", U_HAT)):
        k, amplitude = curves(axes)[label]
        np.testing.assert_array_equal(k, np.arange(11))
        np.testing.assert_allclose(amplitude, np.abs(np.fft.fft(u))[:11] / 100, rtol=1e-9, atol=1e-14)
    assert axes.get_yscale() == "log"


def test_there_is_no_spectrum_on_an_uneven_grid() -> None:
    x = np.sort(np.random.default_rng(0).uniform(-3, 3, 50))
    assert sorted(RegressionData(x, x, x).figures()) == ["error", "solution"]


def test_several_predictions_have_a_panel_each_and_one_panel_of_errors() -> None:
    data = RegressionData(X, U, {"iteration 2000": 0 * U, "iteration 8000": U_HAT})
    figures = data.figures()
    for name in ("solution", "spectrum"):
        assert titles(figures[name]) == ["iteration 2000", "iteration 8000"]
        assert legend_texts(figures[name]) == ["exact", "prediction"]
    first, second = panels(figures["solution"])
    np.testing.assert_array_equal(curves(first)["prediction"][1], 0 * U)
    np.testing.assert_array_equal(curves(second)["prediction"][1], U_HAT)
    (axes,) = panels(figures["error"])
    np.testing.assert_allclose(curves(axes)["iteration 2000"][1], np.abs(U), rtol=1e-14)
    assert legend_texts(figures["error"]) == ["iteration 2000", "iteration 8000"]
    assert len({line.get_color() for line in axes.get_lines()}) == 2


def test_panels_of_several_spectra_show_all_their_amplitudes() -> None:
    quiet = U + 1e-3 * np.sin(40 * X)
    figure = RegressionData(X, U, {"loud": U + np.random.default_rng(0).standard_normal(100), "quiet": quiet}).figures()
    limits = {axes.get_ylim() for axes in panels(figure["spectrum"])}
    ((low, high),) = limits
    amplitudes = [y[1:] for axes in panels(figure["spectrum"]) for _, y in curves(axes).values()]
    assert low < np.min(amplitudes)
    assert high > np.max(amplitudes)


def test_given_arrays_stay_as_they_are() -> None:
    u_hat = np.array([np.inf, 1.0, np.nan])
    data = RegressionData(np.arange(3.0), np.ones(3), u_hat)
    data.figures()
    np.testing.assert_array_equal(u_hat, [np.inf, 1.0, np.nan])
    assert data.prediction is u_hat


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": X[:0]}, r"x has shape \(0,\): expected \(N,\) with N >= 1"),
        ({"exact": U[:, None]}, r"exact has shape \(100, 1\): expected \(N,\) with N = 100"),
        ({"prediction": U[:99]}, r"prediction has shape \(99,\): expected \(N,\) with N = 100"),
        ({"prediction": {}}, "prediction is empty: expected an array, or arrays by label"),
        ({"prediction": {"a": U, "b": U[:3]}}, r"prediction\['b'\] has shape \(3,\)"),
        ({"max_frequency": 0}, "max_frequency=0 must be >= 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RegressionData(**{"x": X, "exact": U, "prediction": U_HAT, **arguments})
