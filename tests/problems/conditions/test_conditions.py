from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import AutogradField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Condition, Dirichlet, FaceCondition, Neumann, Periodic, PointData, Robin
from laaf_lightning.problems.conditions.faces import zero

NAMES = ("x", "t")


def points(count: int = 6) -> Tensor:
    return torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.3


def two(p: Tensor) -> Tensor:
    """v = x³t² and w = sin(x)·t, with derivatives that are known."""
    x, t = p[:, :1], p[:, 1:]
    return torch.cat([x**3 * t**2, torch.sin(x) * t], dim=1)


def field(at: Tensor) -> AutogradField:
    return AutogradField(two, at, NAMES, ("v", "w"))


def value(p: Tensor) -> Tensor:
    return 10 * p[:, :1] + p[:, 1:]


def closed_form(p: Tensor) -> dict[str, dict[str, Tensor]]:
    x, t = p[:, :1], p[:, 1:]
    return {
        "v": {"": x**3 * t**2, "x": 3 * x**2 * t**2, "t": 2 * x**3 * t, "xx": 6 * x * t**2},
        "w": {"": torch.sin(x) * t, "x": torch.cos(x) * t, "t": torch.sin(x), "xx": -torch.sin(x) * t},
    }


@pytest.mark.parametrize("unknown", ["v", "w"])
def test_dirichlet_prescribes_the_value(unknown: str) -> None:
    p = points()
    condition = Dirichlet("initial", ("t", 0.0), value, unknown=unknown)
    torch.testing.assert_close(condition.operator(field(p)), closed_form(p)[unknown][""])


@pytest.mark.parametrize("unknown", ["v", "w"])
@pytest.mark.parametrize("coordinate", NAMES)
def test_neumann_prescribes_the_derivative_along_the_fixed_coordinate_on_either_face(
    coordinate: str, unknown: str
) -> None:
    p = points()
    for position in (-1.0, 1.0):
        condition = Neumann("side", (coordinate, position), value, unknown=unknown)
        torch.testing.assert_close(condition.operator(field(p)), closed_form(p)[unknown][coordinate])


@pytest.mark.parametrize("unknown", ["v", "w"])
@pytest.mark.parametrize("coordinate", NAMES)
def test_robin_prescribes_a_mixture(coordinate: str, unknown: str) -> None:
    p = points()
    expected = closed_form(p)[unknown]
    plain = Robin("side", (coordinate, 1.0), value, unknown=unknown)
    torch.testing.assert_close(plain.operator(field(p)), expected[""] + expected[coordinate])
    mixed = Robin("side", (coordinate, 1.0), value, unknown=unknown, of_value=3.0, of_derivative=-0.5)
    torch.testing.assert_close(mixed.operator(field(p)), 3 * expected[""] - 0.5 * expected[coordinate])


@pytest.mark.parametrize("unknown", ["v", "w"])
@pytest.mark.parametrize(("order", "derivative"), [(0, ""), (1, "x"), (2, "xx")])
def test_periodic_compares_values_or_derivatives_of_two_faces(order: int, derivative: str, unknown: str) -> None:
    condition = Periodic("periodic", "x", (-1.0, 2.0), order, unknown=unknown)
    first = condition.place(points(), NAMES)
    second = condition.partners(first, NAMES)
    assert second is not None
    gap = condition.operator(field(first), field(second))
    torch.testing.assert_close(gap, closed_form(first)[unknown][derivative] - closed_form(second)[unknown][derivative])
    assert torch.equal(condition.target(first), torch.zeros(6, 1, dtype=torch.float64))


@pytest.mark.parametrize("unknown", ["v", "w"])
def test_point_data_prescribe_the_value_at_their_own_points(unknown: str) -> None:
    p, values = points(4), torch.arange(4.0)[:, None]
    condition = PointData("measurements", p, values, unknown=unknown)
    assert condition.place(points(9), NAMES) is p
    assert condition.target(p) is values
    torch.testing.assert_close(condition.operator(field(p)), closed_form(p)[unknown][""])


@pytest.mark.parametrize(
    "condition",
    [
        Dirichlet("face", ("x", 1.0), value),
        Neumann("face", ("x", 1.0), value),
        Robin("face", ("x", 1.0), value),
        Periodic("face", "x", (-1.0, 1.0), order=1),
        PointData("face", points(), value(points())),
    ],
    ids=lambda condition: type(condition).__name__,
)
def test_with_one_unknown_none_need_be_named(condition: Condition) -> None:
    p = points()
    one = AutogradField(lambda q: two(q)[:, :1], p, NAMES)
    partner = AutogradField(lambda q: torch.zeros_like(q[:, :1]), p, NAMES)
    expected = closed_form(p)["v"]
    kinds = {Neumann: expected["x"], Robin: expected[""] + expected["x"], Periodic: expected["x"]}
    assert condition.unknown is None
    torch.testing.assert_close(condition.operator(one, partner), kinds.get(type(condition), expected[""]))


def test_unknown_that_does_not_exist_lists_those_that_do() -> None:
    with pytest.raises(ConfigurationError, match="unknown unknown of the equation 'p': valid are v, w"):
        Dirichlet("initial", ("t", 0.0), value, unknown="p").operator(field(points()))


@pytest.mark.parametrize("kind", [Dirichlet, Neumann, Robin])
@pytest.mark.parametrize(("coordinate", "column"), [("x", 0), ("t", 1)])
def test_points_move_to_the_face_along_one_coordinate(kind: type[FaceCondition], coordinate: str, column: int) -> None:
    p = points().float()
    before = p.clone()
    condition = kind("face", (coordinate, 0.75), value)
    placed = condition.place(p, NAMES)
    assert torch.equal(p, before)
    assert placed.dtype == torch.float32
    assert (placed[:, column] == 0.75).all()
    assert torch.equal(placed[:, 1 - column], before[:, 1 - column])
    assert condition.partners(placed, NAMES) is None
    torch.testing.assert_close(condition.target(placed), 10 * placed[:, :1] + placed[:, 1:])


@pytest.mark.parametrize(("coordinate", "column"), [("x", 0), ("t", 1)])
def test_partners_of_a_periodic_condition_lie_opposite(coordinate: str, column: int) -> None:
    p = points()
    condition = Periodic("periodic", coordinate, (-1.0, 2.0))
    first = condition.place(p, NAMES)
    second = condition.partners(first, NAMES)
    assert second is not None
    assert (first[:, column] == -1).all()
    assert (second[:, column] == 2).all()
    for placed in (first, second):
        assert torch.equal(placed[:, 1 - column], p[:, 1 - column])


def test_operators_keep_the_graph_to_the_networks_parameters() -> None:
    p, scale = points(), torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    u = AutogradField(lambda q: scale * two(q)[:, :1], p, NAMES)
    for condition in (Dirichlet("a", ("x", 0.0), zero), Neumann("b", ("x", 0.0), zero), Robin("c", ("x", 0.0), zero)):
        operator = condition.operator(u)
        (gradient,) = torch.autograd.grad(operator.sum(), scale, retain_graph=True)
        assert gradient.item() == pytest.approx(operator.sum().item() / 2)


def test_homogeneous_value_is_a_column_of_zeros_like_the_points() -> None:
    assert torch.equal(zero(torch.ones(3, 2)), torch.zeros(3, 1))
    assert zero(points()).dtype == torch.float64


def test_conditions_cannot_be_changed() -> None:
    condition: Any = Robin("side", ("x", 1.0), value)
    for name in ("name", "at", "value", "unknown", "of_value"):
        with pytest.raises(FrozenInstanceError):
            setattr(condition, name, 1)
