from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import ScatteredData, image_of
from tests.figures.reading import panels, titles

POINTS = np.random.default_rng(0).random((60, 3))
U = POINTS[:, 0] - POINTS[:, 1]


@pytest.mark.parametrize("dimension", [2, 3])
def test_each_dot_has_the_colour_of_its_value(dimension: int) -> None:
    names = ("x", "y", "depth")[:dimension]
    figures = ScatteredData(POINTS[:, :dimension], U + 0.1, U, names).figures()
    assert sorted(titles(figures["field"])) == ["exact", "prediction"]
    for axes in panels(figures["field"]):
        dots: Any = axes.collections[0]
        np.testing.assert_allclose(np.asarray(dots.get_array()), U + 0.1 * (axes.get_title() == "prediction"))
    (axes,) = panels(figures["error"])
    error: Any = axes.collections[0]
    np.testing.assert_allclose(np.asarray(error.get_array()), 0.1)
    assert image_of(figures["error"]).std() > 0
    assert [*ScatteredData(POINTS[:, :dimension], U, None, names).figures()] == ["field"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"points": POINTS}, r"points has shape \(60, 3\): expected \(N, d\) with N >= 1, d = 2"),
        ({"exact": U[1:]}, r"exact has shape \(59,\)"),
        ({"coordinates": ("x",)}, "expected the names of two or three"),
    ],
)
def test_arrays_that_do_not_match_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        ScatteredData(**{"points": POINTS[:, :2], "prediction": U, **wrong})
