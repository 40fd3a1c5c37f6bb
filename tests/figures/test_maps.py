from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from laaf_lightning.figures.maps import ColourMaps
from tests.figures.reading import Floats, curve, panels, titles

H, V = np.linspace(0, 3, 7), np.linspace(-1, 1, 5)
EXACT = H * V[:, None]
PREDICTION = 1.2 * EXACT
POINTS = np.array([[0.5, -0.25], [2.75, 0.9], [1.0, 0.0]])


def maps(**settings: Any) -> ColourMaps:
    return ColourMaps(H, V, ("t", "x"), (4.0, 3.0), **settings)


def scales(axes: list[Axes]) -> set[tuple[Any, ...]]:
    meshes: list[Any] = [panel.collections[0] for panel in axes]
    return {(mesh.get_cmap().name, mesh.norm.vmin, mesh.norm.vmax) for mesh in meshes}


def dots(axes: Axes) -> list[Floats]:
    return [np.stack(curve(line), axis=1) for line in axes.get_lines() if line.get_marker() == "o"]


def test_both_maps_have_one_scale_and_one_colour_bar() -> None:
    figure = maps().field(PREDICTION, EXACT)
    assert titles(figure) == ["exact", "prediction"]
    reach = PREDICTION.max()
    assert scales(panels(figure)) == {("RdBu_r", -reach, reach)}
    assert len(figure.axes) == 3


def test_positive_solution_has_a_sequential_map_in_both_panels() -> None:
    figure = maps().field(EXACT**2 - 0.01, EXACT**2)
    ((colours, low, high),) = scales(panels(figure))
    assert (colours, low, high) == ("viridis", -0.01, 9)


def test_points_lie_on_prediction_and_error_and_leave_the_exact_solution_clear() -> None:
    exact, prediction = panels(maps(points=POINTS).field(PREDICTION, EXACT))
    (error,) = panels(maps(points=POINTS).error(PREDICTION, EXACT))
    assert dots(exact) == []
    for axes, title in ((prediction, "prediction and 3 training points"), (error, "3 training points")):
        (drawn,) = dots(axes)
        np.testing.assert_array_equal(drawn, POINTS)
        assert axes.get_title() == title


def test_points_do_not_move_the_limits() -> None:
    (plain,), (dotted,) = (
        panels(maps(points=points).error(PREDICTION, EXACT)) for points in (None, np.array([[50.0, 50.0]]))
    )
    assert (plain.get_xlim(), plain.get_ylim()) == (dotted.get_xlim(), dotted.get_ylim())


def test_many_points_are_drawn_smaller_than_few() -> None:
    sizes = []
    for count in (1, 2000, 1_000_000):
        (axes,) = panels(maps(points=np.zeros((count, 2))).error(PREDICTION, EXACT))
        sizes.append(axes.get_lines()[0].get_markersize())
    assert sizes == sorted(set(sizes), reverse=True)
    assert sizes[-1] > 0.5


@pytest.mark.parametrize("equal", [True, False])
def test_axes_are_named_marked_and_scaled_as_asked(equal: bool) -> None:
    for axes in panels(maps(equal=equal, marked=(0.5, 2.0)).field(PREDICTION, EXACT)):
        assert axes.get_xlabel() == "$t$"
        assert [curve(line)[0][0] for line in axes.get_lines()] == [0.5, 2.0]
        assert axes.get_aspect() == (1 if equal else "auto")
