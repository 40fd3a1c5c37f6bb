from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import laaf_lightning as laaf
from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import Burgers, Condition, Heat, Periodic
from tests.solutions.equations import (
    EQUATIONS,
    RESIDUAL_POINTS,
    Dispersive,
    Plain,
    assert_same,
    loss_and_gradients,
    oracle_residual,
    pinn_of,
    points_of,
)

each_equation = pytest.mark.parametrize("name", EQUATIONS)


class Curved(PINN):
    """A network that is no sequence of layers."""

    def build_network(self) -> nn.Module:
        class Skip(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.last = nn.Linear(2, 2), nn.Linear(2, 1)

            def forward(self, x: Tensor) -> Tensor:
                outputs: Tensor = self.last(x + torch.tanh(self.first(x)))
                return outputs

        return Skip()


@each_equation
def test_taylor_mode_and_nested_autograd_give_the_same_loss_and_gradients(name: str) -> None:
    problem = EQUATIONS[name]
    batch = points_of(problem)
    taylor, autograd = (pinn_of(problem, engine=engine) for engine in ("taylor", "autograd"))
    assert (taylor.differentiator.name, autograd.differentiator.name) == ("taylor", "autograd")
    expected = loss_and_gradients(autograd, batch)
    assert set(expected) == {"loss", *(parameter for parameter, _ in autograd.named_parameters())}
    assert all(bool(gradient.any()) for gradient in expected.values())
    assert_same(loss_and_gradients(taylor, batch), expected)


@each_equation
@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_residual_is_that_of_what_the_module_computes(name: str, engine: Any) -> None:
    model = pinn_of(EQUATIONS[name], engine=engine)
    points = points_of(EQUATIONS[name]).residual_points
    residual = model.residual(points)
    assert residual.shape == (RESIDUAL_POINTS, len(model.problem.unknowns))
    assert_same(residual, oracle_residual(model, points))


@each_equation
def test_taylor_mode_is_taken_where_it_serves(name: str) -> None:
    assert PINN(EQUATIONS[name], width=4, depth=1).differentiator.name == "taylor"


def test_the_engine_says_what_it_computes_and_how() -> None:
    assert str(PINN(Burgers()).differentiator) == "u, u_x, u_xx, u_t by Taylor mode"
    assert str(PINN(Burgers(), engine="autograd").differentiator) == "u, u_x, u_xx, u_t by nested autograd"


def test_where_taylor_mode_does_not_serve_autograd_is_taken_and_says_why() -> None:
    model = Curved(Burgers())
    assert model.differentiator.name == "autograd"
    assert str(model.differentiator) == (
        "u, u_x, u_xx, u_t by nested autograd, since Skip is not a sequence of layers: if it is one, give it a method "
        "layers(), in the class that has its forward"
    )


def test_taylor_mode_that_is_asked_for_and_does_not_serve_is_an_error_that_says_why() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"engine='taylor' does not serve here: Skip is not a sequence .*; engine='auto' takes nested autograd",
    ):
        Curved(Burgers(), engine="taylor")


class Fifth(Dispersive):
    """An order that Taylor mode does not have."""

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("t") + u.d(*"xxxxx")


def test_an_order_beyond_taylor_mode_is_left_to_autograd() -> None:
    model = pinn_of(Fifth())
    assert "a derivative of order 5 is asked for, and it goes up to order 4" in str(model.differentiator)
    points = points_of(Fifth()).residual_points
    assert_same(model.residual(points), oracle_residual(model, points))


def test_an_order_of_the_conditions_beyond_taylor_mode_counts_too() -> None:
    class Smooth(Dispersive):
        def conditions(self) -> Sequence[Condition]:
            return (Periodic("around", "x", (-1.0, 1.0), order=5),)

    model = pinn_of(Smooth())
    assert "a derivative of order 5 is asked for" in str(model.differentiator)
    assert model.loss(points_of(Smooth())).isfinite()


def test_a_network_that_does_more_than_its_layers_tell_is_found_out() -> None:
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def layers(self) -> Iterable[nn.Module]:
            return [self.linear]

        def forward(self, x: Tensor) -> Tensor:
            return 2 * torch.as_tensor(self.linear(x))

    class Lying(PINN):
        def build_network(self) -> nn.Module:
            return Doubled()

    model = Lying(Burgers()).double()
    assert "the forward of Doubled does more than its layers one after the other" in str(model.differentiator)
    points = points_of(Burgers()).residual_points
    assert_same(model.residual(points), oracle_residual(model, points))


def test_looking_at_the_network_leaves_training_mode_and_random_numbers_alone() -> None:
    torch.manual_seed(0)
    model = Plain(Burgers())
    before = torch.get_rng_state()
    model.network[1].eval()
    model.network[3] = nn.Sigmoid()
    assert str(model.differentiator) == "u, u_x, u_xx, u_t by Taylor mode"
    assert [module.training for module in model.network] == [True, False, True, True, True]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("activation", "order"), [("relu", 2), (nn.functional.hardswish, 3)])
def test_derivatives_that_vanish_almost_everywhere_are_refused(activation: Any, order: int) -> None:
    problem = Burgers() if order == 2 else Dispersive()
    name = activation if isinstance(activation, str) else activation.__name__
    sentence = (
        rf"the equation has derivatives of order {order}, and those of the activation {name} are zero almost "
        rf"everywhere from order {order} on: .*, or allow_piecewise=true if this is meant"
    )
    with pytest.raises(ConfigurationError, match=sentence):
        PINN(problem, activation=activation)
    model = PINN(problem, activation=activation, allow_piecewise=True, width=4, depth=1)
    assert model.residual(torch.rand(3, 2)).isfinite().all()


def test_order_of_the_conditions_counts_too() -> None:
    class Sloped(Heat):
        def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
            return u.d("t") + u.d("x")

        def conditions(self) -> Any:
            return (laaf.Periodic("curvature", "x", (0.0, 1.0), order=2),)

    with pytest.raises(ConfigurationError, match="derivatives of order 2, and those of the activation relu"):
        PINN(Sloped(), activation="relu")


def test_kinks_are_welcome_where_no_derivative_vanishes() -> None:
    class Transport(Heat):
        def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
            return u.d("t") + u.d("x")

    model = PINN(Transport(), activation="relu", width=4, depth=1).double()
    points = points_of(Transport()).residual_points
    assert_same(model.residual(points), oracle_residual(model, points))


@pytest.mark.parametrize(
    ("residual", "got"),
    [
        (lambda u: u.d("x")[:, 0], r"shape \(5,\)"),
        (lambda u: u.d("x").square().mean(), r"shape \(\)"),
        (lambda u: [u.d("x"), u.d("t")], "a list"),
        (lambda u: u.d("x")[:3], r"shape \(3, 1\)"),
    ],
)
def test_a_residual_of_another_shape_is_refused(residual: Callable[[Field], Any], got: str) -> None:
    class Wrong(Dispersive):
        def residual(self, x: Mapping[str, Tensor], u: Field) -> Any:
            return residual(u)

    with pytest.raises(ConfigurationError, match=rf"Wrong\.residual gives {got} at N=5 points: it must return"):
        PINN(Wrong())


@pytest.mark.parametrize("engine", ["auto", "autograd", "taylor"])
@pytest.mark.parametrize("outputs", [0, 2, 3])
def test_a_network_without_one_output_for_each_unknown_is_refused(outputs: int, engine: Any) -> None:
    class Wide(PINN):
        def build_network(self) -> nn.Module:
            last = nn.Linear(4, max(1, outputs))
            return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), last, nn.Flatten(start_dim=min(1, outputs)))

    sentence = (
        r"Sequential gives outputs of shape \(5.*\) at 5 points: Burgers needs \(5, 1\), one for each of its unknowns u"
    )
    with pytest.raises(ConfigurationError, match=sentence):
        Wide(Burgers(), engine=engine)
