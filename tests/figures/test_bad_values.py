"""A diverged or degenerate run is drawn without an error and without a warning, which are errors here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from laaf_lightning.figures import (
    ClassificationData,
    Drawable,
    LossCurves,
    RegressionData,
    SlopeHistory,
    SpaceTimeData,
    image_of,
)

X, T = np.linspace(-1, 1, 12), np.linspace(0, 1, 5)
Fill = Callable[[tuple[int, ...]], NDArray[Any]]


def mixed(shape: tuple[int, ...]) -> NDArray[np.float64]:
    values = np.array([np.nan, np.inf, -np.inf, 0.0, -1.0, 0.5, 1e308, -1e308, 5e-324, 1e30, 1e-30])
    return np.resize(values, shape)


FILLS: dict[str, Fill] = {
    "mixed": mixed,
    "nan": lambda shape: np.full(shape, np.nan, np.float32),
    "zero": lambda shape: np.zeros(shape, np.int64),
}
DRAWABLES: dict[str, Callable[[Fill], Drawable]] = {
    "regression": lambda fill: RegressionData(X, fill((12,)), {"a": fill((12,)), "b": X}),
    "space_time": lambda fill: SpaceTimeData(X, T, fill((5, 12)), fill((5, 12)), slice_times=(0.5,)),
    "regression_unknown": lambda fill: RegressionData(X, None, fill((12,)), points=fill((7, 1)), title="a title"),
    "space_time_unknown": lambda fill: SpaceTimeData(X, T, fill((5, 12)), points=fill((7, 2)), title="a title"),
    "space_time_diverged": lambda fill: SpaceTimeData(X, T, fill((5, 12)), np.ones((5, 12)), points=fill((7, 2))),
    "slopes": lambda fill: SlopeHistory(T, fill((5, 3))),
    "bands": lambda fill: SlopeHistory(T, fill((5, 2)), std=fill((5, 2))),
    "losses": lambda fill: LossCurves({"a": (T, fill((3, 5))), "b": (T, fill((1, 5)))}),
    "images": lambda fill: ClassificationData(np.eye(2), None, fill((2, 3, 4, 4)), np.array([0, 1]), np.array([1, 0])),
}


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("drawable", DRAWABLES)
def test_any_values_are_drawn(drawable: str, fill: str) -> None:
    for figure in DRAWABLES[drawable](FILLS[fill]).figures().values():
        figure.set_layout_engine("none")  # it draws several times over
        figure.draw_without_rendering()


@pytest.mark.parametrize(
    "drawable",
    [
        RegressionData(X[:1], X[:1], X[:1]),
        SpaceTimeData(X[:1], T[:1], np.ones((1, 1)), np.zeros((1, 1))),
        SlopeHistory(T[:1], np.ones((1, 2))),
        SlopeHistory(T[:1], np.ones((1, 2)), std=np.ones((1, 2))),
        LossCurves({"a": (T[:1], np.ones((2, 1)))}),
        ClassificationData(np.zeros((1, 1)), [""]),
    ],
    ids=lambda drawable: type(drawable).__name__,
)
def test_single_points_are_rendered(drawable: Drawable) -> None:
    for figure in drawable.figures().values():
        assert image_of(figure).min() < 200


def test_many_points_are_rendered() -> None:
    x = np.linspace(0, 1, 200_000)
    noise = np.random.default_rng(0).standard_normal(len(x))
    assert image_of(RegressionData(x, np.sin(x), noise).figures()["solution"]).min() < 200


def test_gaps_stand_where_values_cannot_be_shown() -> None:
    u_hat = np.sin(X)
    u_hat[3], u_hat[7] = np.inf, np.nan
    figure = RegressionData(X, np.sin(X), u_hat).figures()["solution"]
    drawn = np.asarray(figure.axes[0].get_lines()[1].get_ydata())
    assert np.flatnonzero(np.isnan(drawn)).tolist() == [3, 7]
    assert figure.axes[0].get_ylim()[1] < 2
