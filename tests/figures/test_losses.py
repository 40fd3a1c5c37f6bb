from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import LossCurves
from laaf_lightning.figures.losses import band
from tests.figures.reading import curves, edges_of_band, panels

STEPS = np.arange(5)
RUNS = np.array([[4.0, 2.0, 1.0, 0.5, 0.25], [6.0, 3.0, 1.5, 0.6, 0.3], [5.0, 2.5, 1.2, 0.4, 0.2]])


def axes_of(data: LossCurves) -> Any:
    (axes,) = panels(data.figures()["losses"])
    return axes


def test_curves_are_means_over_runs_on_a_logarithmic_axis() -> None:
    axes = axes_of(LossCurves({"fixed": (STEPS, RUNS), "L-LAAF": (STEPS, RUNS[:1])}, "epoch", "loss"))
    lines = curves(axes)
    np.testing.assert_allclose(lines["fixed"], (STEPS, RUNS.mean(axis=0)), rtol=1e-14)
    np.testing.assert_array_equal(lines["L-LAAF"], (STEPS, RUNS[0]))
    assert axes.get_yscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["fixed", "L-LAAF"]


def test_several_runs_have_a_band_of_two_sample_standard_deviations() -> None:
    lower, upper = edges_of_band(axes_of(LossCurves({"fixed": (STEPS, RUNS), "one run": (STEPS, RUNS[:1])})))
    spread = 2 * RUNS.std(axis=0, ddof=1)
    np.testing.assert_allclose(lower, RUNS.mean(axis=0) - spread, rtol=1e-12)
    np.testing.assert_allclose(upper, RUNS.mean(axis=0) + spread, rtol=1e-12)


def test_band_that_would_leave_the_logarithmic_axis_ends_at_the_smallest_loss() -> None:
    wild = np.array([[1.0, 100.0], [1.1, 0.01]])
    lower, upper = edges_of_band(axes_of(LossCurves({"fixed": (STEPS[:2], wild)})))
    assert lower[1] == 0.01
    assert upper[1] == pytest.approx(wild[:, 1].mean() + 2 * wild[:, 1].std(ddof=1))
    assert lower[0] == pytest.approx(1.05 - 2 * wild[:, 0].std(ddof=1))


def test_band_equals_the_formula() -> None:
    lower, upper = band(RUNS)
    for j in range(5):
        mean = sum(RUNS[:, j]) / 3
        spread = 2 * (sum((RUNS[:, j] - mean) ** 2) / 2) ** 0.5
        assert (lower[j], upper[j]) == pytest.approx((mean - spread, mean + spread))


def test_no_two_of_many_methods_look_the_same() -> None:
    axes = axes_of(LossCurves({f"method {k}": (STEPS, RUNS[:1]) for k in range(20)}))
    looks = {(str(line.get_color()), str(line.get_linestyle())) for line in axes.get_lines()}
    assert len(looks) == 20


def test_methods_have_steps_of_their_own() -> None:
    lines = curves(axes_of(LossCurves({"a": (STEPS, RUNS), "b": (10 * STEPS[:2], RUNS[:, :2])})))
    np.testing.assert_array_equal(lines["b"][0], [0, 10])


def test_label_with_an_underscore_is_in_the_legend_too() -> None:
    axes = axes_of(LossCurves({"_a": (STEPS, RUNS)}))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["_a"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"curves is empty: expected \(steps, losses\) by label"),
        ({"a": (STEPS[:0], RUNS)}, r"steps of curves\['a'\] has shape \(0,\)"),
        (
            {"a": (STEPS, RUNS[0])},
            r"losses of curves\['a'\] has shape \(5,\): expected \(runs, T\) with",
        ),
        ({"a": (STEPS, RUNS[:0])}, r"losses of curves\['a'\] has shape \(0, 5\)"),
    ],
)
def test_what_does_not_fit_together_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        LossCurves(given)
