from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import SlopeHistory
from tests.figures.reading import curve, curves, edges_of_band, legend_texts, panels, titles

STEPS = np.arange(0, 500, 50)
MEAN = 1 + STEPS[:, None] / 500 * np.array([1.0, 2.0, -1.0])
STD = 0.1 + 0 * MEAN
NAMES = ("first", "second", "third")


def test_means_are_one_line_a_layer_in_one_panel() -> None:
    figure = SlopeHistory(STEPS, MEAN, NAMES).figures()["slopes"]
    (axes,) = panels(figure)
    lines = curves(axes)
    for k, name in enumerate(NAMES):
        np.testing.assert_array_equal(lines[name], (STEPS, MEAN[:, k]))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("iteration", r"slope $n \cdot a$")
    assert legend_texts(figure) == list(NAMES)
    assert len({str(line.get_color()) for line in axes.get_lines()[:3]}) == 3
    assert axes.get_yscale() == "linear"


def test_bands_are_a_panel_a_layer_with_mean_and_one_standard_deviation() -> None:
    figure = SlopeHistory(STEPS, MEAN, NAMES, STD).figures()["slopes"]
    assert titles(figure) == list(NAMES)
    for k, axes in enumerate(panels(figure)):
        np.testing.assert_array_equal(curves(axes)[NAMES[k]], (STEPS, MEAN[:, k]))
        lower, upper = edges_of_band(axes)
        np.testing.assert_allclose(lower, MEAN[:, k] - 0.1, rtol=1e-12)
        np.testing.assert_allclose(upper, MEAN[:, k] + 0.1, rtol=1e-12)
    assert len({axes.get_ylim() for axes in panels(figure)}) == 1


def test_a_panel_of_bands_shows_the_other_layers_in_grey() -> None:
    first = panels(SlopeHistory(STEPS, MEAN, NAMES, STD).figures()["slopes"])[0]
    grey = [curve(line)[1] for line in first.get_lines() if str(line.get_color()) == "0.8"]
    np.testing.assert_array_equal(grey, [MEAN[:, 1], MEAN[:, 2]])


def test_the_initial_slope_is_marked() -> None:
    for std in (None, STD):
        (axes, *_) = panels(SlopeHistory(STEPS, MEAN, NAMES, std).figures()["slopes"])
        dotted = [curve(line)[1].tolist() for line in axes.get_lines() if line.get_linestyle() == ":"]
        assert dotted == [[1.0, 1.0]]


@pytest.mark.parametrize("layers", [1, 4, 5, 7, 17])
def test_every_layer_has_its_panel_and_the_lowest_of_each_column_its_label(layers: int) -> None:
    mean = np.ones((2, layers))
    figure = SlopeHistory(np.arange(2), mean, std=0.1 * mean).figures()["slopes"]
    assert titles(figure) == [f"layer {k + 1}" for k in range(layers)]
    columns = {round(axes.get_position().x0, 6) for axes in panels(figure)}
    labelled = [axes for axes in panels(figure) if axes.get_xlabel()]
    assert len(labelled) == len(columns)
    for axes in labelled:
        left = round(axes.get_position().x0, 6)
        below = [other for other in panels(figure) if round(other.get_position().x0, 6) == left]
        assert axes.get_position().y0 == min(other.get_position().y0 for other in below)


def test_layers_without_names_are_numbered_from_one() -> None:
    assert legend_texts(SlopeHistory(STEPS, MEAN).figures()["slopes"]) == ["layer 1", "layer 2", "layer 3"]


def test_long_names_of_many_layers_leave_the_panel_its_width() -> None:
    names = [f"stages.{k}.a_rather_long_name" for k in range(17)]
    figure = SlopeHistory(np.arange(2), np.ones((2, 17)), names).figures()["slopes"]
    figure.draw_without_rendering()
    (axes,) = panels(figure)
    assert axes.get_position().width * figure.get_size_inches()[0] > 3.5


@pytest.mark.parametrize("std", [None, np.ones((2, 2))], ids=["means", "bands"])
def test_names_are_shown_as_they_are(std: Any) -> None:
    names = ("_private", r"$\bad$")
    figure = SlopeHistory(np.arange(2), np.ones((2, 2)), names, std).figures()["slopes"]
    figure.draw_without_rendering()
    assert (titles(figure) if std is not None else legend_texts(figure)) == list(names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": STEPS[:0]}, r"steps has shape \(0,\): expected \(T,\) with T >= 1"),
        ({"mean": MEAN[:3]}, r"mean has shape \(3, 3\): expected \(T, K\) with T = 10, K >= 1"),
        ({"mean": MEAN[:, :0]}, r"mean has shape \(10, 0\): expected \(T, K\) with T = 10, K >= 1"),
        ({"std": STD[:, :2]}, r"std has shape \(10, 2\): expected \(T, K\) with T = 10, K = 3"),
        ({"names": ("a", "b")}, "names has 2 entries: expected K = 3, one a layer"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SlopeHistory(**{"steps": STEPS, "mean": MEAN, **arguments})
