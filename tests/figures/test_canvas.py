from __future__ import annotations

import subprocess
import sys

import matplotlib.pyplot
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from laaf_lightning.figures import RegressionData, image_of
from laaf_lightning.figures.canvas import finite, log_limits, make_logarithmic, new_figure, symbol

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)


def test_image_has_the_figures_size_and_colours() -> None:
    figure, (axes,) = new_figure(panel=(2, 1))
    axes.set_axis_off()
    figure.set_facecolor("#ff8000")
    image = image_of(figure)
    assert image.dtype == np.uint8
    assert image.shape == (100, 200, 3)
    assert image[0, 0].tolist() == [255, 128, 0]


def test_panels_come_row_by_row_and_share_limits_on_request() -> None:
    figure, axes = new_figure(2, 3, panel=(2.0, 1.5), share=True)
    assert len(axes) == 6
    assert figure.get_size_inches().tolist() == [6.0, 3.0]
    rows = [(a.get_position().y0, -a.get_position().x0) for a in axes]
    assert rows == sorted(rows, reverse=True)
    axes[0].set_xlim(2, 5)
    assert axes[5].get_xlim() == (2, 5)


def test_drawing_leaves_nothing_open_in_pyplot() -> None:
    x = np.linspace(0, 1, 8)
    for figure in RegressionData(x, x, x).figures().values():
        image_of(figure)
    assert matplotlib.pyplot.get_fignums() == []


@pytest.mark.slow
def test_importing_the_room_costs_no_matplotlib_and_drawing_no_pyplot() -> None:
    program = """
import sys
import numpy as np
from laaf_lightning.figures import RegressionData, SpaceTimeData, image_of
assert "matplotlib" not in sys.modules
x = np.linspace(0, 1, 8)
for data in (RegressionData(x, x, x), SpaceTimeData(x, x, np.ones((8, 8)), np.zeros((8, 8)))):
    for figure in data.figures().values():
        image_of(figure)
print("matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["False"], done.stderr


@given(arrays(np.float64, (2, 3), elements=ANY_FLOAT))
def test_what_is_shown_is_finite_or_a_gap(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    shown = finite(values)
    showable = np.isfinite(values) & (np.abs(values) <= 1e100)
    assert np.array_equal(shown[showable], values[showable])
    assert np.isnan(shown[~showable]).all()


@given(arrays(np.float64, 5, elements=ANY_FLOAT), st.integers(1, 12))
def test_logarithmic_limits_are_positive_finite_and_span_no_more_than_asked(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], decades: int
) -> None:
    values = finite(values)
    limits = log_limits([values[:2], values[2:]], decades)
    positive = values[values > 1e-100]
    if limits is None:
        assert positive.size == 0
        return
    low, high = limits
    assert 0 < low < high < np.inf
    assert high == 2 * positive.max()
    assert high / low <= 4 * 10.0**decades * (1 + 1e-9)
    assert low <= max(positive.min(), positive.max() * 10.0**-decades)


def test_axis_stays_linear_where_nothing_is_positive() -> None:
    _, (axes,) = new_figure(panel=(2, 1))
    make_logarithmic(axes, [np.array([0.0, -1.0, np.nan])], decades=3)
    assert axes.get_yscale() == "linear"
    make_logarithmic(axes, [np.array([0.0, 10.0])], decades=3)
    assert axes.get_yscale() == "log"
    assert axes.get_ylim() == (5.0, 20.0)


@pytest.mark.parametrize(("name", "text"), [("x", "$x$"), ("time", "time"), ("1", "1"), ("", "")])
def test_single_letters_are_written_as_mathematics(name: str, text: str) -> None:
    assert symbol(name) == text
