from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import RegressionData
from tests.figures.reading import curve, curves, legend_texts, panels, suptitle, titles

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
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$x$", "$u$")
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


def test_without_exact_solution_there_is_no_error_and_no_line_for_it() -> None:
    figures = RegressionData(X, None, {"a": U, "b": U_HAT}).figures()
    assert sorted(figures) == ["solution", "spectrum"]
    for figure in figures.values():
        assert legend_texts(figure) == ["prediction"]
        assert titles(figure) == ["a", "b"]


def test_every_figure_has_the_title_or_none() -> None:
    for title in (None, "step 1, $n$ = 2"):
        figures = RegressionData(X, U, U_HAT, title=title).figures()
        assert [suptitle(figure) for figure in figures.values()] == [title or ""] * 3


def test_title_and_legend_leave_each_other_room() -> None:
    for figure in RegressionData(X, U, U_HAT, title="a line").figures().values():
        figure.draw_without_rendering()
        (axes,) = panels(figure)
        (line,) = [text for text in figure.texts if text.get_text() == "a line"]
        boxes = [line.get_window_extent(), axes.get_tightbbox(), *(legend.get_tightbbox() for legend in figure.legends)]
        bottoms, tops = [box.y0 for box in boxes if box], [box.y1 for box in boxes if box]
        assert all(bottom > top for bottom, top in zip(bottoms, tops[1:], strict=False))


def test_training_points_are_ticks_at_the_foot_of_solution_and_error() -> None:
    points = np.array([[-2.0], [0.5], [0.75]])
    figures = RegressionData(X, U, U_HAT, points=points).figures()
    for name, lines in (("solution", ["exact", "prediction"]), ("error", ["error"])):
        (axes,) = panels(figures[name])
        x, height = curves(axes)["training points"]
        np.testing.assert_array_equal(x, points[:, 0])
        assert np.all((height > 0) & (height < 0.1))  # of the panel's height
        assert legend_texts(figures[name]) == [*lines, "training points"]
    assert legend_texts(figures["spectrum"]) == ["exact", "prediction"]


def test_training_points_do_not_move_the_limits() -> None:
    for name in ("solution", "error"):
        (plain,), (ticked,) = (
            panels(RegressionData(X, U, U_HAT, points=points).figures()[name]) for points in (None, np.array([[50.0]]))
        )
        assert (plain.get_xlim(), plain.get_ylim()) == (ticked.get_xlim(), ticked.get_ylim())


def test_variable_has_the_name_it_is_given() -> None:
    figures = RegressionData(X, U, U_HAT, coordinate="t").figures()
    assert [panels(figures[name])[0].get_xlabel() for name in ("solution", "error")] == ["$t$", "$t$"]


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
        ({"points": X}, r"points has shape \(100,\): expected \(M, d\) with M >= 1, d = 1"),
        ({"max_frequency": 0}, "max_frequency=0 must be >= 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RegressionData(**{"x": X, "exact": U, "prediction": U_HAT, **arguments})
