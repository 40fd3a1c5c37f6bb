from __future__ import annotations

import torch

from laaf_lightning.problems import Box, Disc, OverTime, Polygon
from laaf_lightning.problems.geometry import Face


def test_boundary_is_that_of_the_space_at_all_times() -> None:
    cylinder = OverTime(Disc(radius=2.0), (1.0, 3.0), "time")
    assert cylinder.coordinates == ("x", "y", "time")
    boundary = cylinder.sample_boundary(1000, "latin_hypercube", seed=0)
    torch.testing.assert_close(boundary.points[:, :2].norm(dim=1), torch.full((1000,), 2.0).double())
    torch.testing.assert_close(boundary.normals[:, :2], boundary.points[:, :2] / 2)
    assert (boundary.normals[:, 2] == 0).all()
    slices = ((boundary.points[:, 2] - 1) * 500).floor()
    assert slices.sort().values.tolist() == list(range(1000))


def test_begin_and_end_are_faces_and_so_are_those_of_a_box() -> None:
    triangle = Polygon([(0, 0), (1, 0), (0, 1)])
    assert OverTime(triangle, (0.0, 2.0)).faces() == (Face("t", 0.0), Face("t", 2.0))
    assert len(OverTime(Box(("x",), ((0.0, 1.0),))).faces()) == 4
    assert triangle.faces() == ()


def test_a_map_of_the_space_is_kept_so_that_samples_stay_even() -> None:
    times = OverTime(Disc()).sample_interior(100, "latin_hypercube", seed=4)[:, 2]
    assert (times * 100).floor().sort().values.tolist() == list(range(100))


def test_units_of_space_and_time_may_be_far_apart() -> None:
    long = OverTime(Disc(radius=1e6), (0.0, 1e-3))
    points = torch.tensor([[1e6, 0.0, 1e-3], [1e6, 0.0, 1.01e-3], [1.01e6, 0.0, 0.0]]).double()
    assert long.contains(points).tolist() == [True, False, False]
