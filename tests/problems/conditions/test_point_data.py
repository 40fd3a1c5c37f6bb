from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PointData

POINTS = [[0.0, 0.5], [0.25, 0.5], [0.5, 1.0]]
VALUES = [1.0, 2.0, 3.0]


@pytest.mark.parametrize("points", [POINTS, tuple(map(tuple, POINTS)), np.array(POINTS), np.array(POINTS, np.float32)])
@pytest.mark.parametrize(
    "values",
    [VALUES, [[v] for v in VALUES], np.array(VALUES), np.array(VALUES, np.float32)[:, None], torch.tensor(VALUES)],
)
def test_points_and_values_are_taken_however_they_are_given(points: Any, values: Any) -> None:
    data = PointData("measured", points, values)
    assert data.points.tolist() == POINTS
    assert data.values.tolist() == [[v] for v in VALUES]
    assert data.place(torch.zeros(9, 2), ("x", "t")) is data.points
    assert data.prescribed(data.points) is data.values


def test_tensors_that_fit_are_left_as_they_are() -> None:
    points, values = torch.zeros(3, 2), torch.zeros(3, 1)
    data = PointData("measured", points, values)
    assert data.points is points
    assert data.values is values


@pytest.mark.parametrize(
    ("points", "values", "shapes"),
    [
        (0.5, 1.0, ((1, 1), (1, 1))),
        ([0.5], [1.0], ((1, 1), (1, 1))),
        (np.zeros(4), np.zeros(4), ((4, 1), (4, 1))),
        (np.zeros(4), np.zeros((4, 1)), ((4, 1), (4, 1))),
        (np.zeros(2), 1.0, ((1, 2), (1, 1))),
        ([0.0, 0.5], [1.0], ((1, 2), (1, 1))),
        (np.zeros((4, 2)), 1.0, ((4, 2), (4, 1))),
        (np.zeros((4, 2)), np.int64(1), ((4, 2), (4, 1))),
    ],
)
def test_flat_points_and_single_numbers_are_taken_where_there_is_one_way_to_take_them(
    points: Any, values: Any, shapes: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    data = PointData("measured", points, values)
    assert (data.points.shape, data.values.shape) == shapes


@pytest.mark.parametrize(
    ("points", "values", "message"),
    [
        ("POINTS", VALUES, "^points of the condition 'measured' is 'POINTS': it must be real numbers"),
        (POINTS, "VALUES", "^values of the condition 'measured' is 'VALUES': it must be real numbers"),
        (
            [[0.0, 0.5], [0.25]],
            VALUES,
            r"^points of the condition 'measured' is \[\[0.0, 0.5\], \[0.25\]\]: it must be",
        ),
        (
            POINTS,
            np.array(["1", "2", "3"]),
            "^values of the condition 'measured' is a ndarray of dtype <U1: it must be",
        ),
        (POINTS, None, "^values of the condition 'measured' is None"),
    ],
)
def test_what_holds_no_numbers_is_refused_with_its_name(points: Any, values: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        PointData("measured", points, values)
