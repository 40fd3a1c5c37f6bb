from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Ball, Disc, PointCloud
from tests.problems.geometry.every_shape import circle


def test_points_with_normals_tell_inside_from_outside() -> None:
    boundary = Ball().sample_boundary(4000, "sobol", seed=0)
    cloud = PointCloud(boundary.points, boundary.normals, coordinates=("x", "y", "z"))
    points = 2.4 * torch.rand(3000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1.2
    far = (points.norm(dim=1) - 1).abs() > 0.01
    assert torch.equal(cloud.contains(points[far]), Ball().contains(points[far]))


def test_interior_points_are_taken_each_once_before_any_again() -> None:
    interior = torch.rand(60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    cloud = PointCloud(circle(20), interior=interior)
    for sampler in ("uniform", "sobol"):
        drawn = cloud.sample_interior(60, sampler, seed=1)
        assert {tuple(row) for row in drawn.tolist()} == {tuple(row) for row in interior.tolist()}
    assert len(cloud.sample_interior(150, seed=1).unique(dim=0)) == 60
    assert cloud.contains(interior).all()


def test_without_normals_a_point_is_inside_near_others() -> None:
    interior = Disc().sample_interior(2000, "sobol", seed=0)
    cloud = PointCloud(circle(200), interior=interior)
    points = torch.tensor([[0.0, 0.0], [0.6, 0.6], [0.9, 0.9], [1.2, 0.0]])
    assert cloud.contains(points).tolist() == [True, True, False, False]


def test_clouds_are_compared_by_what_they_hold() -> None:
    assert PointCloud(circle(9), circle(9)) == PointCloud(circle(9).numpy(), circle(9).tolist())
    assert PointCloud(circle(9), circle(9)) != PointCloud(circle(8), circle(8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"boundary": circle(9)},
            "PointCloud has neither normals nor interior points: boundary points alone do not tell",
        ),
        (
            {"boundary": np.zeros((5, 2)), "normals": np.ones((5, 2))},
            "all points of PointCloud have x=0.0: the shape has no",
        ),
        (
            {"boundary": circle(9), "normals": circle(8)},
            "PointCloud has 8 normals for 9 boundary points: give each point",
        ),
        ({"boundary": circle(9), "normals": 0 * circle(9)}, "normals of PointCloud has a vector of length 0 in row 0"),
        (
            {"boundary": torch.rand(5, 3), "normals": torch.rand(5, 3)},
            "boundary points of PointCloud has shape (5, 3): it",
        ),
        (
            {"boundary": circle(9) * math.nan, "normals": circle(9)},
            "boundary points of PointCloud is not finite in row 0",
        ),
        ({"boundary": circle(9), "normals": -circle(9)}, "normals of PointCloud point inwards: they must be outward"),
        ({"boundary": circle(9), "interior": []}, "interior of PointCloud has shape (0,): it must be (M, 2), M >= 1"),
        (
            {"boundary": "rim.csv", "normals": circle(9)},
            "boundary points of PointCloud is 'rim.csv': it must be real num",
        ),
    ],
)
def test_what_is_no_cloud_has_a_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match="^" + re.escape(message)):
        PointCloud(**arguments)
