from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import ClassificationData, Drawable, LossCurves, RegressionData, SlopeHistory, SpaceTimeData
from laaf_lightning.figures.drawable import check_array

X, T = np.linspace(0, 1, 6), np.linspace(0, 1, 4)
DRAWABLES: list[Drawable] = [
    RegressionData(X, X, X),
    SpaceTimeData(X, T, np.ones((4, 6))),
    SlopeHistory(T, np.ones((4, 2))),
    LossCurves({"fixed": (T, np.ones((1, 4)))}),
    ClassificationData(np.eye(2)),
]


@pytest.mark.parametrize("drawable", DRAWABLES, ids=lambda drawable: type(drawable).__name__)
def test_every_kind_of_data_draws_itself_anew_each_time(drawable: Drawable) -> None:
    assert isinstance(drawable, Drawable)
    first, second = drawable.figures(), drawable.figures()
    assert list(first) == list(second)
    for name, figure in first.items():
        assert isinstance(figure, Figure)
        assert figure is not second[name]


def test_something_without_figures_is_no_drawable() -> None:
    assert not isinstance(np.zeros(3), Drawable)


@pytest.mark.parametrize(
    ("shape", "axes"), [((3,), {"N": None}), ((0, 2), {"M": 0, "C": 2}), ((1, 2), {"a": 1, "b": None})]
)
def test_array_of_the_expected_shape_passes(shape: tuple[int, ...], axes: dict[str, int | None]) -> None:
    check_array("x", np.zeros(shape), axes)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((2, 3)), r"u has shape \(2, 3\): expected \(N,\) with N >= 1"),
        (np.zeros(0), r"u has shape \(0,\): expected \(N,\) with N >= 1"),
        (np.float64(1.0), r"u is a float64: expected a numpy array of shape \(N,\) with N >= 1"),
        ([1.0, 2.0], r"u is a list: expected a numpy array"),
        (None, r"u is a NoneType: expected a numpy array"),
    ],
)
def test_other_things_are_refused_by_name_and_shape(value: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_array("u", value, {"N": None})
