from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Ball, Box, Disc, Geometry, OverTime, PointCloud
from laaf_lightning.problems.geometry import Difference, Intersection, Union, near_or_inside
from tests.problems.geometry.every_shape import Diamond, circle


def test_operators_combine() -> None:
    one, other = Disc(), Disc((1.0, 0.0))
    assert (one | other, one - other, one & other) == (
        Union(one, other),
        Difference(one, other),
        Intersection(one, other),
    )
    points = torch.tensor([[-0.5, 0.0], [0.5, 0.0], [1.5, 0.0], [3.0, 0.0]])
    assert (one | other).contains(points).tolist() == [True, True, True, False]
    assert (one - other).contains(points).tolist() == [True, False, False, False]
    assert (one & other).contains(points).tolist() == [False, True, False, False]
    assert (one | other).bounds == ((-1.0, 2.0), (-1.0, 1.0))
    assert (one & other).bounds == ((0.0, 1.0), (-1.0, 1.0))


def test_normals_of_a_hole_point_into_it() -> None:
    annulus = Disc() - Disc(radius=0.5)
    boundary = annulus.sample_boundary(3000, seed=0)
    radius = boundary.points.norm(dim=1, keepdim=True)
    inner = radius[:, 0] < 0.75
    torch.testing.assert_close(boundary.normals[inner], -2 * boundary.points[inner])
    torch.testing.assert_close(boundary.normals[~inner], boundary.points[~inner])
    assert inner.double().mean().item() == pytest.approx(1 / 3, abs=0.03)


def test_combining_goes_on() -> None:
    washer = (Disc() - Disc(radius=0.5)) & Box.of({"x": (0.0, 1.0), "y": (-1.0, 1.0)})
    boundary = washer.sample_boundary(4000, seed=0)
    straight = boundary.points[:, 0].abs() < 1e-12
    assert straight.double().mean().item() == pytest.approx(1 / (1 + 1.5 * math.pi), abs=0.02)
    assert (boundary.points[straight, 1].abs() >= 0.5 - 1e-4).all()
    assert (boundary.normals[straight] == torch.tensor([-1.0, 0.0])).all()


def test_small_parts_of_large_shapes_are_seen() -> None:
    pierced = Disc(radius=1e3) - Disc(radius=0.5)
    assert pierced.contains(torch.tensor([[0.0, 0.4999], [0.0, 0.5], [0.0, 0.6]]).double()).tolist() == [
        False,
        True,
        True,
    ]
    inner = pierced.sample_boundary(20_000, seed=0).points.norm(dim=1) < 1
    assert 0 < inner.sum() < 30  # 10 on average


def test_own_shape_that_leaves_its_boundary_out_has_it_nearby() -> None:
    class Open(Geometry):
        coordinates = ("x", "y")
        bounds = ((-1.0, 1.0), (-1.0, 1.0))

        def contains(self, points: Tensor) -> Tensor:
            return points.square().sum(dim=1) < 1

    rim = circle(40)
    assert near_or_inside(Open(), rim).all()
    assert not near_or_inside(Open(), 1.001 * rim).any()
    assert Open().depth(torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.1, 0.0]])).tolist() == [1.0, 0.0, -1.0]
    cut = Disc(radius=2.0) - Open()
    assert cut.contains(rim).all()
    assert not cut.contains(0.999 * rim).any()


def test_own_boundary_is_drawn_without_repetition_and_gives_bounds() -> None:
    class Rim(Geometry):
        coordinates = ("x", "y")

        def contains(self, points: Tensor) -> Tensor:
            return points.square().sum(dim=1) <= 1 + 1e-12

        def boundary_points(self) -> Tensor:
            return circle(400)

    rim = Rim()
    assert rim.bounds == ((-1.0, 1.0), (-1.0, 1.0))
    boundary = rim.sample_boundary(400, seed=3)
    assert len(boundary.points.unique(dim=0)) == 400
    assert len(rim.sample_boundary(100).points.unique(dim=0)) == 100
    assert not boundary.has_normals
    with pytest.raises(ConfigurationError, match=r"^the boundary of Rim is given by points without normals: give norm"):
        _ = boundary.normals


def test_own_normals_may_have_any_length() -> None:
    boundary = Diamond().sample_boundary(400, seed=1)
    torch.testing.assert_close(boundary.normals, boundary.points.sign() / math.sqrt(2))


def empty(self: Geometry, points: Tensor) -> Tensor:
    return points[:, 0] > 2


def column(self: Geometry, points: Tensor) -> Tensor:
    return points[:, :1] > 0


def own(contains: Callable[[Any, Tensor], Tensor], **parts: Any) -> Geometry:
    kept = {"coordinates": ("x", "y"), "bounds": ((-1.0, 1.0), (-1.0, 1.0)), "contains": contains, **parts}
    made: Geometry = type("Heart", (Geometry,), kept)()
    return made


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: own(empty).sample_interior(5),
            "Heart has no interior: none of a million points of its bounding box lies",
        ),
        (
            lambda: own(column).sample_interior(5),
            "Heart.contains gives shape (5, 1) at 5 points: it must give one truth",
        ),
        (
            lambda: own(empty).sample_boundary(5),
            "the boundary of Heart is not known: let Heart.boundary_points() return its points, shape (M, 2), or point",
        ),
        (
            lambda: own(empty, boundary_points=lambda self: torch.zeros(4, 3)).sample_boundary(5),
            "boundary points of Heart has shape (4, 3): it must be (M, 2), M >= 1",
        ),
        (
            lambda: own(empty, boundary_points=lambda self: (circle(4), circle(5))).sample_boundary(5),
            "Heart has 5 normals for 4 boundary points: give each point one",
        ),
        (
            lambda: own(empty, boundary_points=lambda self: (circle(4), 0 * circle(4))).sample_boundary(5),
            "normals of Heart has a vector of length 0 in row 0, which points nowhere",
        ),
        (
            lambda: (PointCloud(circle(9), interior=0.5 * circle(9)) - Disc(radius=0.2)).sample_boundary(5),
            "the boundary of PointCloud is given by points without normals, which combining it takes: give normals",
        ),
        (lambda: Disc() & Disc((5.0, 0.0)), "Disc & Disc is empty: the shape has no interior"),
        (lambda: Disc() & Disc((2.0, 0.0)), "Disc & Disc is empty: the shape has no interior"),
        (lambda: Disc() - Disc(radius=2.0), "Disc - Disc is empty: the shape has no interior"),
        (
            lambda: Disc() - Ball(),
            "Disc - Ball combines shapes of the coordinates ('x', 'y') and ('x', 'y', 'z'): they must be the same",
        ),
        (
            lambda: Disc() | Disc(coordinates=("y", "x")),
            "Disc | Disc combines shapes of the coordinates ('x', 'y') and ('y', 'x'): they must be the same",
        ),
        (
            lambda: OverTime(Disc(), (1.0, 1.0)),
            "times=(1.0, 1.0) of OverTime must be begin < end: the shape has no inter",
        ),
        (lambda: OverTime(Disc(), (0.0, 1.0), "x"), "coordinates=('x', 'y', 'x') of OverTime has a name twice"),
        (lambda: OverTime(3), "space=3 of OverTime must be a shape, such as Disc()"),  # type: ignore[arg-type]
        (
            lambda: Box(("x",), ((1.0, 0.0),)),
            "ends of 'x'=(1.0, 0.0) of Box must be lower < upper: the shape has no inter",
        ),
        (
            lambda: Box(("x", "x"), ((0.0, 1.0),) * 2),
            "coordinates=('x', 'x') of Box has a name twice: each needs another",
        ),
        (lambda: Box(("x", "y"), ((0.0, 1.0),)), "ends=((0.0, 1.0),) of Box must be (lower, upper) for each of x, y"),
        (
            lambda: Box(("x",), ((0.0, math.nan),)),
            "ends of 'x'=(0.0, nan) of Box must be 2 numbers, all of them finite",
        ),
    ],
)
def test_what_cannot_be_meant_has_a_sentence(draw: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match="^" + re.escape(message)):
        draw()


def test_anything_else_cannot_be_combined() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = Disc() | 3  # type: ignore[operator]
