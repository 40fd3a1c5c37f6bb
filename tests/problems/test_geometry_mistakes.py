from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning.data import CollocationDataModule
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import (
    PDE,
    Box,
    Dirichlet,
    Disc,
    Geometry,
    OverTime,
    Periodic,
    PointCloud,
    PointData,
    Polygon,
    check_points,
    check_problem,
)
from tests.problems.geometry.every_shape import Diamond, circle


class Nowhere(Geometry):
    coordinates = ("x", "y")
    bounds = ((-1.0, 1.0), (-1.0, 1.0))

    def contains(self, points: Tensor) -> Tensor:
        return points[:, 0] > 2


class Unbounded(Nowhere):
    bounds = ((-1.0, 1.0),)  # type: ignore[assignment]


class Nameless(Nowhere):
    coordinates = ()  # type: ignore[assignment]


def problem(**parts: Any) -> PDE:
    kept = {"residual": lambda self, x, u: u.d("x"), "conditions": lambda self: [], **parts}
    made: PDE = type("Plate", (PDE,), kept)()
    return made


def conditions(*given: object) -> Any:
    return lambda self: list(given)


class Inwards(Diamond):
    def boundary_points(self) -> tuple[Tensor, Tensor]:
        points, normals = super().boundary_points()
        return points, -normals


CYLINDER = OverTime(Disc(), (0.0, 2.0))


@pytest.mark.parametrize(
    "parts",
    [
        {"geometry": Disc()},
        {"geometry": Diamond()},
        {"geometry": PointCloud(circle(50), interior=0.5 * circle(50))},
        {"geometry": Disc(), "coordinates": ("x", "y"), "domain": {"x": (-1.0, 1.0), "y": (-1, 1)}},
        {"geometry": CYLINDER, "conditions": conditions(Dirichlet("start", ("t", 0.0), 0.0))},
        {"geometry": CYLINDER, "conditions": conditions(Dirichlet("half-time", ("t", 1.0), 0.0))},
        {"geometry": OverTime(Box(("x",), ((0, 1),))), "conditions": conditions(Periodic("ring", "x", (0.0, 1.0)))},
        {"geometry": Disc(), "conditions": conditions(PointData("rim", [[1.0, 0.0], [0.6, 0.8]], [1.0, 2.0]))},
    ],
)
def test_what_can_be_meant_passes(parts: dict[str, Any]) -> None:
    check_problem(problem(**parts))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"geometry": Disc}, "is no geometry: give an instance, such as Disc(…)"),
        ({"geometry": "disc"}, "Plate.geometry='disc' is no geometry: give an instance"),
        (
            {"geometry": Disc(), "coordinates": ("y", "x")},
            "has the coordinates ('x', 'y'), and Plate has ('y', 'x'): give both the same in the same order, or leave",
        ),
        (
            {"geometry": Disc(), "domain": {"x": (0.0, 1.0), "y": (-1.0, 1.0)}},
            "lies between -1.0 and 1.0 in 'x', and the domain of Plate is {'x': (0.0, 1.0), 'y': (-1.0, 1.0)}: leave t",
        ),
        ({"geometry": Nowhere()}, "Nowhere has no interior: none of a million points of its bounding box lies in it"),
        ({"geometry": Unbounded()}, "has bounds=((-1.0, 1.0),): they must be (lower, upper) for each of x, y, finite"),
        (
            {"geometry": Inwards()},
            "has normals that point inwards at 100% of its boundary points: they must point outw",
        ),
        ({"geometry": Nameless()}, "has no coordinates: give coordinates = ('x', 'y'), say"),
        (
            {"geometry": Disc(), "conditions": conditions(Dirichlet("left", ("x", -1.0), 0.0))},
            "the condition 'left' of Plate lies on a face at x=-1.0, and the geometry of Plate, Disc(center=(0.0, 0.0)",
        ),
        (
            {"geometry": CYLINDER, "conditions": conditions(Periodic("ring", "x", (-1.0, 1.0)))},
            "has faces only in t: take a condition on its boundary",
        ),
        (
            {"geometry": CYLINDER, "conditions": conditions(Dirichlet("late", ("t", 3.0), 0.0))},
            "the condition 'late' of Plate lies at t=3.0, outside the domain [0.0, 2.0]",
        ),
        (
            {"geometry": Disc(), "conditions": conditions(PointData("d", [[0.0, 0.0], [0.8, 0.8]], [1.0, 2.0]))},
            "the condition 'd' of Plate has 1 points outside the domain, the first in row 1: x=0.8, y=0.8 is not in Di",
        ),
        (
            {"geometry": Disc(), "conditions": conditions(PointData("d", [[0.0, 0.0], [0.8, 8.0]], [1.0, 2.0]))},
            "has 1 points outside the domain, the first in row 1: y=8 is not in [-1.0, 1.0]",
        ),
    ],
)
def test_mistakes_are_refused_wherever_the_problem_is_given(parts: dict[str, Any], message: str) -> None:
    for give in (PINN, CollocationDataModule):
        with pytest.raises(ConfigurationError, match=re.escape(message)):
            give(problem(**parts))


def test_points_of_ones_own_must_be_inside() -> None:
    triangle = problem(geometry=Polygon([(0, 0), (1, 0), (0, 1)]))
    data = CollocationDataModule(
        problem(geometry=Disc(), ansatz=PDE.ansatz, conditions=conditions(PointData("d", [[0.0, 0.0]], [1.0]))), 10
    )
    with pytest.raises(
        ConfigurationError, match=r"^set_residual_points has 1 points outside the domain, the first in row"
    ):
        data.set_residual_points([[0.0, 0.0], [0.9, 0.9]])
    data.set_residual_points([[0.0, 0.0], [0.7, 0.7]])
    check_points(triangle, torch.tensor([[0.5, 0.5], [0.2, 0.2]]))  # float32, on the edge
