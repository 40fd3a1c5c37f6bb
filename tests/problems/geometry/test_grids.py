from __future__ import annotations

import math

import pytest

from laaf_lightning.problems import Ball, Box
from laaf_lightning.problems.geometry.grids import points_per_axis


@pytest.mark.parametrize(
    ("dimension", "count"), [(1, 101), (2, 101), (3, 101), (4, 31), (5, 15), (6, 10), (7, 7), (10, 3), (19, 2)]
)
def test_each_axis_has_as_many_points_as_a_million_allows(dimension: int, count: int) -> None:
    assert points_per_axis(dimension) == [count] * dimension
    assert count**dimension <= 1.04e6
    assert dimension <= 3 or (count + 1) ** dimension > 1e6


@pytest.mark.parametrize("dimension", [12, 20, 25, 100])
def test_the_grid_is_bounded_in_any_number_of_coordinates(dimension: int) -> None:
    assert math.prod(points_per_axis(dimension)) <= 10**6


def test_axes_beyond_the_nineteenth_have_their_middle() -> None:
    axes = Box(tuple(f"x{i}" for i in range(21)), ((1.0, 3.0),) * 21).axes()
    assert [axis.tolist() for axis in axes.values()] == [[1.0, 3.0]] * 19 + [[2.0]] * 2


def test_grid_of_four_coordinates_fits_into_memory() -> None:
    box = Box(tuple("xyzt"), ((0.0, 1.0),) * 4)
    assert box.grid(box.axes()).shape == (31**4, 4)


def test_grid_of_a_ball_is_what_is_inside() -> None:
    ball = Ball()
    assert len(ball.grid(ball.axes(41))) / 41**3 == pytest.approx(math.pi / 6, rel=0.08)
