from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from laaf_lightning import PDE, PINN, Burgers, ConfigurationError, Dirichlet, FunctionRegressor
from laaf_lightning.cli.run.predictions.derivatives import DerivativesOf, parse_derivatives
from laaf_lightning.derivatives import Field
from laaf_lightning.problems import Ansatz
from laaf_lightning.solutions.evaluated import Derivative


class Flow(PDE):
    """Two unknowns, one with the other's name at its beginning, and coordinates of several letters."""

    coordinates = ("r", "theta")
    domain: ClassVar = {"r": (0.0, 1.0), "theta": (0.0, 1.0)}
    unknowns = ("u", "u_r")

    def residual(self, x: Mapping[str, Tensor], u: Field, *args: Any, **coefficients: Any) -> Tensor:
        return u["u"].d("r") - u["u_r"]

    def conditions(self) -> Sequence[Dirichlet]:
        return [Dirichlet("inner", ("r", 0.0), 0.0, unknown="u")]


class Built(Burgers):
    """u = x + t·x²·N."""

    def ansatz(self) -> Ansatz:
        return Ansatz(lambda p: p[:, :1], lambda p: p[:, 1:] * p[:, :1].square())


def small(problem: PDE, **settings: Any) -> PINN:
    torch.manual_seed(0)
    return PINN(problem, width=6, depth=2, n=2, **settings).double()


def by_autograd(function: Callable[[Tensor], Tensor], points: Tensor, columns: Sequence[int]) -> Tensor:
    points = points.clone().requires_grad_()
    value = function(points)
    for column in columns:
        (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
        value = gradient[:, column]
    return value.detach()


@pytest.mark.parametrize("problem", [Burgers(), Built()], ids=["network", "hard_conditions"])
def test_derivatives_are_those_of_nested_autograd(problem: PDE) -> None:
    model, points = small(problem), torch.rand(20_000, 2, dtype=torch.float64)
    columns = {"u_x": (0,), "u_t": (1,), "u_xx": (0, 0), "u_tx": (1, 0), "u_xxx": (0, 0, 0)}
    with torch.inference_mode():
        computed = DerivativesOf(model, parse_derivatives(",".join(columns), model))(points)
    assert list(computed) == list(columns)
    for name, order in columns.items():
        torch.testing.assert_close(computed[name], by_autograd(lambda p: model(p)[:, 0], points, order))


def test_a_field_of_the_users_is_differentiated_as_it_is() -> None:
    class Doubled(PINN):
        def field(self, points: Tensor, known: Any = None, *, at_conditions: bool = False) -> Any:
            return super().field(points, known, at_conditions=at_conditions).rows(0, len(points))

    torch.manual_seed(0)
    model = Doubled(Burgers(), width=6, depth=2).double()
    points = torch.rand(5, 2, dtype=torch.float64)
    computed = DerivativesOf(model, parse_derivatives("u_xx", model))(points)
    torch.testing.assert_close(computed["u_xx"], by_autograd(lambda p: model(p)[:, 0], points, (0, 0)))


def test_names_are_an_unknown_and_coordinates_in_any_order() -> None:
    model = small(Flow())
    asked = ["u_theta", "u_rtheta", "u_theta_r", "u_thetatheta", "u_theta"]
    assert parse_derivatives(asked, model) == (
        Derivative("u_theta", "u", ("theta",)),
        Derivative("u_rtheta", "u", ("r", "theta")),
        Derivative("u_theta_r", "u", ("theta", "r")),
        Derivative("u_thetatheta", "u", ("theta", "theta")),
    )
    assert parse_derivatives(" u_theta , ", model) == parse_derivatives(["u_theta"], model)
    assert parse_derivatives(None, model) == parse_derivatives("", model) == ()


@pytest.mark.parametrize("name", ["u_y", "v_x", "v", "u_", "ux", "u_x_", "u_x1"])
def test_names_that_mean_nothing_are_one_error_with_what_there_is(name: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_derivatives(f"u_x,{name},q_q", small(Burgers()))
    assert str(raised.value) == (
        f"unknown derivatives {name!r}, 'q_q': of Burgers there are u_x, u_t, u_xx, u_xt, u_tt, and so on: an unknown "
        "(u), '_', and a coordinate (x, t) for each order"
    )


def test_names_of_two_meanings_are_one_error_with_both() -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_derivatives("u_r_theta", small(Flow()))
    assert str(raised.value) == (
        "'u_r_theta' among the derivatives may mean ('u', 'r', 'theta') or ('u_r', 'theta') in Flow: give the tuple "
        "that is meant"
    )


def test_other_models_have_no_derivatives_by_name() -> None:
    with pytest.raises(ConfigurationError, match="derivatives=u_x: FunctionRegressor has no named coordinates"):
        parse_derivatives("u_x", FunctionRegressor(width=2, depth=1))
