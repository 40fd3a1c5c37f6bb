from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Disc, Ellipse


@pytest.mark.parametrize("semi_axes", [(3.0, 1.0), (1.0, 3.0), (100.0, 0.1), (2.0, 2.0)])
def test_boundary_goes_by_arc_length(semi_axes: tuple[float, float]) -> None:
    ellipse = Ellipse((0.0, 0.0), semi_axes)
    unit = torch.arange(4096, dtype=torch.float64)[:, None].expand(-1, 2) / 4096
    points = ellipse.propose_boundary(unit).points
    steps = (points.roll(-1, 0) - points).norm(dim=1)
    assert steps.sum().item() == pytest.approx(ellipse.proposed_area, rel=1e-4)
    chord_is_arc = steps > 0.99 * steps.median()  # not where it turns within a step
    assert chord_is_arc.double().mean() > 0.99
    torch.testing.assert_close(steps[chord_is_arc], steps.median().expand(int(chord_is_arc.sum())), rtol=2e-3, atol=0)


def test_normals_are_those_of_the_gradient() -> None:
    ellipse = Ellipse((1.0, 2.0), (3.0, 0.5), angle=0.4)
    boundary = ellipse.sample_boundary(200, seed=0)
    step = torch.tensor(1e-6, dtype=torch.float64)
    gradient = torch.stack(
        [
            ellipse.depth(boundary.points - step * axis) - ellipse.depth(boundary.points + step * axis)
            for axis in torch.eye(2, dtype=torch.float64)
        ],
        dim=1,
    )
    torch.testing.assert_close(boundary.normals, gradient / gradient.norm(dim=1, keepdim=True), rtol=0, atol=1e-8)


def test_bounds_touch_the_turned_ellipse() -> None:
    ellipse = Ellipse((1.0, 2.0), (3.0, 0.5), angle=0.4)
    unit = torch.arange(20_000, dtype=torch.float64)[:, None].expand(-1, 2) / 20_000
    points = ellipse.propose_boundary(unit).points
    for column, (lower, upper) in zip(points.T, ellipse.bounds, strict=True):
        assert (column.min().item(), column.max().item()) == pytest.approx((lower, upper), abs=1e-6)


def test_round_ellipse_is_a_disc() -> None:
    points = 3 * torch.rand(500, 2, generator=torch.Generator().manual_seed(0)) - 1
    round_one = Ellipse((0.5, 0.5), (1.0, 1.0), angle=1.0)
    torch.testing.assert_close(round_one.depth(points), Disc((0.5, 0.5)).depth(points))
    assert round_one.proposed_area == pytest.approx(2 * math.pi)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"semi_axes": (1.0, 0.0)},
            "a semi-axis=0.0 of Ellipse must be a finite number > 0: the shape has no interior",
        ),
        ({"semi_axes": 1.0}, "semi_axes=1.0 of Ellipse must be 2 numbers"),
        ({"angle": math.inf}, "angle=inf of Ellipse must be a finite number"),
        ({"center": (0.0,)}, "center=(0.0,) of Ellipse must be 2 numbers"),
        ({"coordinates": ("x",)}, "coordinates=('x',) of Ellipse must be 2 names, one for each column"),
    ],
)
def test_what_is_no_ellipse_has_a_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match="^" + re.escape(message)):
        Ellipse(**arguments)
