from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field, Order
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import (
    PDE,
    AllenCahn,
    Burgers,
    Condition,
    Dirichlet,
    Heat,
    Helmholtz,
    InverseBurgers,
    Neumann,
    Periodic,
    PointData,
    Robin,
    condition_orders,
    residual_orders,
)
from laaf_lightning.problems.conditions.faces import zero


class Written(PDE):
    """A problem with any residual."""

    coordinates = ("x", "y", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (2.0, 3.0), "y": (-1.0, 0.0), "t": (0.0, 5.0)}

    def __init__(self, residual: Callable[..., Any], coefficients: Mapping[str, float] | None = None) -> None:
        self._residual, self._coefficients = residual, dict(coefficients or {})

    def residual(self, x: Mapping[str, Tensor], u: Field, **coefficients: Any) -> Any:
        return self._residual(x, u, **coefficients)

    def conditions(self) -> Sequence[Condition]:
        return ()

    def coefficients(self) -> Mapping[str, float]:
        return self._coefficients


class Flow(Written):
    unknowns = ("v", "w", "p")


@pytest.mark.parametrize(
    ("problem", "orders"),
    [
        (Burgers(), {(0,), (1,), (0, 0)}),
        (Burgers(hard_conditions=True), {(0,), (1,), (0, 0)}),
        (InverseBurgers(), {(0,), (1,), (0, 0)}),
        (Helmholtz(), {(0, 0), (1, 1)}),
        (AllenCahn(), {(1,), (0, 0)}),
        (Heat(), {(1,), (0, 0)}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_shipped_problems_ask_for_what_their_equations_hold(problem: PDE, orders: set[Order]) -> None:
    assert residual_orders(problem) == orders


@pytest.mark.parametrize(
    ("residual", "orders"),
    [
        (lambda x, u: u**2 - x["t"], set()),
        (lambda x, u: u.d("t", "x"), {(0, 2)}),
        (lambda x, u: u.d("x", "t") + u.d("t", "x"), {(0, 2)}),
        (lambda x, u: u.d("y", "x", "y", "y") * torch.sin(u), {(0, 1, 1, 1)}),
        (lambda x, u: u.d("x").sqrt() + torch.log(u.d("t")) / u, {(0,), (2,)}),
        (lambda x, u: torch.cat([u.d("x"), u - 1], dim=1), {(0,)}),
    ],
)
def test_orders_are_columns_in_rising_order_whatever_else_is_computed(
    residual: Callable[..., Any], orders: set[Order]
) -> None:
    assert residual_orders(Written(residual)) == orders


def test_several_unknowns_ask_together() -> None:
    def momentum(x: Mapping[str, Tensor], u: Field) -> Tensor:
        v, w, p = u
        return torch.cat([v.d("x") + w.d("y"), v.d("t") + p.d("x"), u["w"].d("t") + p.d("y")], dim=1)

    assert residual_orders(Flow(momentum)) == {(0,), (1,), (2,)}


def test_residual_is_run_on_points_of_the_domain_with_coefficients_at_their_first_guess() -> None:
    seen: dict[str, Any] = {}

    def residual(x: Mapping[str, Tensor], u: Field, **coefficients: Tensor) -> Tensor:
        seen.update(x, **coefficients)
        return u.d("x") * coefficients["nu"]

    assert residual_orders(Written(residual, {"nu": 0.25, "c": 3})) == {(0,)}
    assert seen["nu"].shape == seen["c"].shape == ()
    assert (seen["nu"].item(), seen["c"].item()) == (0.25, 3.0)
    for name, (lower, upper) in Written.domain.items():
        assert seen[name].shape[1] == 1
        assert lower <= seen[name].min().item() < seen[name].max().item() <= upper


def test_run_leaves_the_global_generator() -> None:
    state = torch.random.get_rng_state()
    residual_orders(Burgers())
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("residual", "got"),
    [
        (lambda x, u: u.d("x")[:, 0], r"shape \(5,\)"),
        (lambda x, u: u.d("x").mean(), r"shape \(\)"),
        (lambda x, u: u.d("x").T, r"shape \(1, 5\)"),
        (lambda x, u: u.d("x")[None], r"shape \(1, 5, 1\)"),
        (lambda x, u: None, "a NoneType"),
        (lambda x, u: (u.d("x"), u.d("y")), "a tuple"),
        (lambda x, u: u, "a RecordingField"),
    ],
)
def test_residual_that_is_no_table_of_points_and_equations_is_refused(residual: Callable[..., Any], got: str) -> None:
    message = rf"^Written.residual gives {got} at N=5 points: it must return a tensor of shape \(N, 1\), or \(N, E\) "
    with pytest.raises(ConfigurationError, match=message):
        residual_orders(Written(residual))


@pytest.mark.parametrize(
    ("residual", "said"),
    [
        (lambda x, u: u > 0, "^Written.residual gives a tensor of torch.bool: it must be real floating-point numbers"),
        (lambda x, u: (u > 0).int(), "a tensor of torch.int32: .* torch.where"),
        (lambda x, u: torch.complex(u.value, u.value), "a tensor of torch.complex64"),
        (lambda x, u: u.value[:, :0], r"shape \(5, 0\)"),
    ],
)
def test_residual_without_numbers_that_have_a_gradient_is_refused(residual: Callable[..., Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        residual_orders(Written(residual))


def test_residual_that_grows_with_the_points_both_ways_is_refused() -> None:
    message = r"^Written.residual gives shapes \(5, 5\) and \(7, 7\) at N=5 and 7 points: it must return"
    with pytest.raises(ConfigurationError, match=message):
        residual_orders(Written(lambda x, u: u.d("x") + u.value[:, 0]))


def test_residual_that_names_no_coordinate_of_the_problem_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^unknown coordinate 'z': valid are x, y, t"):
        residual_orders(Written(lambda x, u: u.d("z")))


@pytest.mark.parametrize(
    ("condition", "orders"),
    [
        (Dirichlet("a", ("t", 0.0), zero), set()),
        (Neumann("a", ("y", 0.0), zero), {(1,)}),
        (Robin("a", ("t", 0.0), zero), {(2,)}),
        (Periodic("a", "x", (2.0, 3.0)), set()),
        (Periodic("a", "x", (2.0, 3.0), order=1), {(0,)}),
        (Periodic("a", "y", (-1.0, 0.0), order=2), {(1, 1)}),
        (PointData("a", torch.zeros(2, 3), torch.zeros(2, 1)), set()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_conditions_ask_for_what_they_prescribe(condition: Condition, orders: set[Order]) -> None:
    assert condition_orders(Written(zero), [condition]) == orders


def test_what_is_asked_of_partners_alone_counts_too() -> None:
    class Flux(Periodic):
        def operator(self, u: Field, partner: Field | None) -> Tensor:
            assert partner is not None
            return u - partner.d("t")

    assert condition_orders(Written(zero), [Flux("a", "x", (2.0, 3.0))]) == {(2,)}


def test_conditions_ask_together_and_none_for_nothing() -> None:
    problem = Flow(zero)
    conditions = [
        Neumann("a", ("y", 0.0), zero, unknown="p"),
        Periodic("b", "x", (2.0, 3.0), order=1, unknown="v"),
        Dirichlet("c", ("t", 0.0), zero, unknown="w"),
    ]
    assert condition_orders(problem, conditions) == {(0,), (1,)}
    assert condition_orders(problem, []) == frozenset()
