from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laaf_lightning.problems import PDE, AllenCahn, Box, Burgers, Heat
from laaf_lightning.problems.geometry import Face, moved_to

BOX = Box.of({"t": (0.0, 2.0), "x": (-1.0, 1.0)}, ["x", "t"])


def test_ends_follow_the_order_of_the_columns() -> None:
    assert Box(("x", "t"), ((-1.0, 1.0), (0.0, 2.0))) == BOX
    assert BOX.interval("t") == (0.0, 2.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=9))
def test_samples_lie_in_the_box_and_its_corners_are_those_of_the_cube(unit: list[tuple[float, float]]) -> None:
    points = BOX.sample(torch.tensor(unit, dtype=torch.float64))
    assert BOX.contains(points).all()
    corners = BOX.sample(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert corners.tolist() == [[-1.0, 0.0], [1.0, 2.0]]


@pytest.mark.parametrize("point", [(-1.1, 1.0), (1.1, 1.0), (0.0, -0.1), (0.0, 2.1), (float("nan"), 1.0)])
def test_a_point_outside_is_told_from_one_on_a_face(point: tuple[float, float]) -> None:
    assert BOX.contains(torch.tensor([point, (1.0, 0.0)])).tolist() == [False, True]


def test_faces_are_two_for_each_coordinate_and_hold_points_that_are_moved_there() -> None:
    assert BOX.faces() == (Face("x", -1.0), Face("x", 1.0), Face("t", 0.0), Face("t", 2.0))
    points = BOX.sample(torch.rand(5, 2))
    for face in BOX.faces():
        column = BOX.coordinates.index(face.coordinate)
        moved = moved_to(points, column, face.position)
        assert BOX.contains(moved).all()
        assert (moved[:, column] == face.position).all()
        assert torch.equal(moved[:, 1 - column], points[:, 1 - column])


def test_the_grid_runs_fastest_in_the_last_coordinate() -> None:
    grid = BOX.grid(BOX.axes(3))
    assert grid[:4].tolist() == [[-1.0, 0.0], [-1.0, 1.0], [-1.0, 2.0], [0.0, 0.0]]
    assert len(grid) == 9


def test_the_diagonal_keeps_a_margin() -> None:
    assert BOX.diagonal(3).tolist() == [[-1.0, 0.0], [0.0, 1.0], [1.0, 2.0]]
    torch.testing.assert_close(BOX.diagonal(2, margin=0.25), torch.tensor([[-0.5, 0.5], [0.5, 1.5]]).double())


@pytest.mark.parametrize("problem", [Burgers(), Heat(), AllenCahn()], ids=lambda problem: type(problem).__name__)
def test_a_problem_knows_its_box(problem: PDE) -> None:
    assert problem.geometry == Box.of(problem.domain, problem.coordinates)
    assert problem.geometry.contains(problem.grid()).all()
