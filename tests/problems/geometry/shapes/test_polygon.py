from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Disc, Polygon
from tests.problems.geometry.every_shape import L_CORNERS, circle

SQUARE = ((0.0, 0.0), (3.0, 0.0), (3.0, 3.0), (0.0, 3.0))


@pytest.mark.parametrize("corners", [L_CORNERS[::-1], [*L_CORNERS, L_CORNERS[0]], np.array(L_CORNERS)])
def test_orientation_and_form_of_the_corners_are_free(corners: Any) -> None:
    points = torch.rand(500, 2, generator=torch.Generator().manual_seed(0)) * 3 - 1.5
    inside = (points.abs() <= 1).all(dim=1) & ~((points > 0).all(dim=1))
    assert torch.equal(Polygon(corners).contains(points), inside)
    boundary = Polygon(corners).sample_boundary(100, seed=0)
    assert not Polygon(corners).contains(boundary.points + 1e-3 * boundary.normals).any()


def test_many_corners_make_a_disc() -> None:
    corners = circle(1000)
    polygon = Polygon(corners.tolist())
    points = 2.2 * torch.rand(3000, 2, generator=torch.Generator().manual_seed(0)) - 1.1
    far = (points.norm(dim=1) - 1).abs() > 1e-4
    assert torch.equal(polygon.contains(points[far]), Disc().contains(points[far]))
    assert polygon.proposed_area == pytest.approx(2 * math.pi, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 12), st.integers(0, 1000))
def test_a_star_shaped_polygon_holds_what_its_triangles_hold(count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    radius = 0.3 + torch.rand(count, 1, dtype=torch.float64, generator=generator)
    corners = circle(count) * radius
    points = 2.6 * torch.rand(200, 2, dtype=torch.float64, generator=generator) - 1.3
    inside = torch.zeros(200, dtype=torch.bool)
    for one, other in zip(corners, corners.roll(-1, 0), strict=True):
        weights = torch.linalg.solve(torch.stack([one, other], dim=1), points.T)
        inside |= (weights >= 0).all(dim=0) & (weights.sum(dim=0) <= 1)
    assert torch.equal(Polygon(corners.tolist()).contains(points), inside)


def test_holes_have_their_normals_inwards() -> None:
    for hole in ([(1.0, 1.0), (2.0, 1.0), (2.0, 2.0)], [(1.0, 1.0), (2.0, 2.0), (2.0, 1.0)]):
        polygon = Polygon(SQUARE, [hole])
        assert polygon.contains(torch.tensor([[1.7, 1.3], [1.0, 2.0], [1.5, 1.5]])).tolist() == [False, True, True]
        boundary = polygon.sample_boundary(2000, seed=0)
        on_diagonal = (boundary.points[:, 0] - boundary.points[:, 1]).abs() < 1e-9
        slanted = on_diagonal & ((boundary.points - 1.5).abs() < 0.49).all(dim=1)
        assert slanted.any()
        expected = torch.tensor([1.0, -1.0], dtype=torch.float64) / math.sqrt(2)
        torch.testing.assert_close(boundary.normals[slanted], expected.expand(int(slanted.sum()), 2))


def test_units_of_the_coordinates_may_be_far_apart() -> None:
    flat = Polygon([(0, 0), (1e6, 0), (1e6, 1), (0, 1)])
    assert flat.contains(torch.tensor([[5e5, 1.0], [5e5, 1.01], [5e5, -0.01]])).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"corners": [(0, 0), (1, 1)]}, "corners of Polygon has 2 corners: it must have at least three, each (x, y)"),
        (
            {"corners": [(0, 0), (1, 1), (0, 0)]},
            "corners of Polygon has 3 corners: it must have at least three, each (x, y); the first and the last are th",
        ),
        (
            {"corners": [(0, 0), (2, 2), (2, 0), (0, 1)]},
            "the edges (0.0, 1.0)–(2.0, 0.0) and (2.0, 2.0)–(0.0, 0.0) of Poly",
        ),
        (
            {"corners": [(0, 0), (1, 1), (1, 0), (0, 1)]},
            "corners of Polygon has no area: the shape has no interior, or it",
        ),
        ({"corners": [(0, 0), (1, 1), (2, 2)]}, "corners of Polygon has no area: the shape has no interior"),
        ({"corners": [(0, 0), (1, 0), (1, 0), (1, 1)]}, "corners of Polygon has the corner (1.0, 0.0) twice in a row"),
        ({"corners": [(0, 0), (1, 0), (math.nan, 1)]}, "corners of Polygon is not finite in row 2: [nan, 1.0]"),
        ({"corners": [(0, 0), (1, 0), (1, 1), (1, 2), (1, 1), (0, 1)]}, "the edges "),
        (
            {"corners": [(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)]},
            "the edges (0.0, 0.0)–(2.0, 0.0) and (2.0, 2.0)–(1.0, 0.0",
        ),
        ({"corners": [(0, 0, 0), (1, 0, 0), (1, 1, 0)]}, "corners of Polygon has shape (3, 3): it must be (M, 2)"),
        ({"corners": "square"}, "corners of Polygon is 'square': it must be real numbers"),
        (
            {"corners": SQUARE, "holes": [[(4, 4), (5, 4), (5, 5)]]},
            "hole 1 of Polygon does not lie inside it, or lies in a",
        ),
        ({"corners": SQUARE, "holes": [[(1, 1), (5, 1), (2, 2)]]}, "the edges "),
        (
            {"corners": SQUARE, "holes": [[(1, 1), (2, 1), (2, 2), (1, 2)], [(1.2, 1.2), (1.5, 1.2), (1.5, 1.5)]]},
            "hole 2 of Polygon does not lie inside it, or lies in another hole",
        ),
    ],
)
def test_what_is_no_simple_polygon_has_a_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match="^" + re.escape(message)):
        Polygon(**arguments)
