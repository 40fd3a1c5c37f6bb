from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import Drawable, SliceData, image_of
from tests.figures.reading import panels, suptitle, titles

X, Y, TIMES = np.linspace(-1, 1, 12), np.linspace(0, 2, 7), (0.0, 0.5, 1.25)
U = np.stack([np.sin(np.pi * X) * (Y[:, None] - 0.8) * np.exp(-time) for time in TIMES])
AT = [{"t": time, "height": 2.0} for time in TIMES]


def test_exact_stands_above_prediction_and_each_plane_says_where_it_lies() -> None:
    figure = SliceData(X, Y, U + 0.1, AT, exact=U, title="step 3").figures()["field"]
    axes = panels(figure)
    assert titles(figure)[:3] == ["$t$ = 0, height = 2", "$t$ = 0.5, height = 2", "$t$ = 1.25, height = 2"]
    assert [axes[0].get_ylabel(), axes[3].get_ylabel()] == ["exact\n$y$", "prediction\n$y$"]
    meshes: list[Any] = [each.collections[0] for each in axes]
    for mesh, expected in zip(meshes, [*U, *(U + 0.1)], strict=True):
        np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(7, 12), expected)
    assert len({(mesh.norm.vmin, mesh.norm.vmax) for mesh in meshes}) == 1
    assert suptitle(figure) == "step 3"
    assert axes[0].get_aspect() == 1


def test_the_error_is_drawn_where_the_solution_is_known() -> None:
    data = SliceData(X, 1e6 * Y, U + 0.1, AT, exact=U)
    assert isinstance(data, Drawable)
    figure = data.figures()["error"]
    for axes in panels(figure):
        mesh: Any = axes.collections[0]
        np.testing.assert_allclose(np.asarray(mesh.get_array()), 0.1)
        assert axes.get_aspect() == "auto"
    assert [*SliceData(X, Y, U, AT).figures()] == ["field"]


def test_gaps_and_values_that_are_not_finite_are_left_open() -> None:
    broken = U.copy()
    broken[0, 0, 0], broken[1, 1, 1] = np.nan, np.inf
    for figure in SliceData(X, Y, broken, AT, exact=U).figures().values():
        assert image_of(figure).std() > 0


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"prediction": U[:2]}, r"prediction has shape \(2, 7, 12\): expected \(K, Ny, Nx\) with K = 3"),
        ({"exact": U[0]}, "exact has shape"),
        ({"at": []}, "at is empty"),
        ({"x": U}, "x has shape"),
    ],
)
def test_arrays_that_do_not_match_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        SliceData(**{"x": X, "y": Y, "prediction": U, "at": AT, **wrong})
