from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

import laaf_lightning as laaf
from laaf_lightning.derivatives import AutogradField, Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import PDE, Burgers, Condition, Dirichlet, Heat, Periodic
from tests.modules.equations import (
    EQUATIONS,
    RESIDUAL_POINTS,
    Dispersive,
    assert_same,
    loss_and_gradients,
    pinn_of,
    points_of,
)

each_equation = pytest.mark.parametrize("name", EQUATIONS)


def oracle_residual(model: PINN, points: Tensor) -> Tensor:
    """The residual of what the module's forward computes, by nested autograd."""
    problem = model.problem
    u = AutogradField(model.forward, points, problem.coordinates, problem.unknowns)
    return problem.residual(problem.columns(points), u, **model.coefficients)


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


class Plain(PINN):
    """A sequence of plain layers, whose parts can be replaced."""

    network: nn.Sequential

    def build_network(self) -> nn.Module:
        return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 1))


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


def adapt_in_place(model: Plain) -> None:
    laaf.adapt(model, "neuron", 3.0, torch.rand(2, 2), inplace=True)
    with torch.no_grad():
        for name, slope in model.named_parameters():
            if name.endswith(".a"):
                slope.add_(torch.linspace(-0.1, 0.2, slope.numel()))


def other_activation(model: Plain) -> None:
    model.network[1] = nn.SiLU()


def other_function(model: Plain) -> None:
    model.network[1] = laaf.AdaptiveActivation("tanh")
    model.residual(torch.rand(2, 2))
    setattr(model.network[1], "activation", torch.sigmoid)  # noqa: B010  # which type checkers do not foresee


def other_network(model: Plain) -> None:
    model.network = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))


def no_rule(model: Plain) -> None:
    model.network[3] = nn.Mish()


def new_hook(model: Plain) -> None:
    model.network[2].register_forward_hook(lambda module, inputs, outputs: 2 * outputs)


def pruned(model: Plain) -> None:
    prune.l1_unstructured(model.network[2], "weight", 0.5)


REPLACEMENTS: list[Callable[[Plain], None]] = [
    adapt_in_place,
    other_activation,
    other_function,
    other_network,
    no_rule,
    new_hook,
    pruned,
]


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_engine_is_chosen_anew_where_a_part_of_the_network_was_replaced(replace: Callable[[Plain], None]) -> None:
    torch.manual_seed(0)
    model = Plain(Burgers(0.1))
    points = points_of(model.problem).residual_points
    before = model.residual(points.float())
    replace(model)
    model.double()
    after = model.residual(points)
    assert_same(after, oracle_residual(model, points))
    assert (after - before).abs().max() > 1e-3
    assert model.differentiator.name == ("autograd" if replace in {no_rule, new_hook, pruned} else "taylor")


def test_a_part_without_a_rule_is_an_error_where_taylor_mode_was_asked_for() -> None:
    model = Plain(Burgers(), engine="taylor")
    model.network[1] = nn.Mish()
    with pytest.raises(ConfigurationError, match=r"engine='taylor' does not serve here: .* Mish\(\)"):
        model.loss(points_of(Burgers()))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("name", [name for name in EQUATIONS if not name.startswith("three")])
def test_copies_train_on_their_own(name: str, copied: Callable[[PINN], PINN]) -> None:
    problem = EQUATIONS[name]
    model, batch = pinn_of(problem), points_of(problem)
    expected = loss_and_gradients(model, batch)
    twin = copied(model)
    assert twin.differentiator.serves(twin.network)
    assert not twin.differentiator.serves(model.network)
    assert_same(loss_and_gradients(twin, batch), expected)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(1.5)
    changed = pinn_of(problem)
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.mul_(1.5)
    assert_same(loss_and_gradients(twin, batch), loss_and_gradients(changed, batch))
    assert_same(loss_and_gradients(model, batch), expected)


class Fickle(PDE):
    """Asks for another derivative where there are many points, hence not in a dry run."""

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 1.0), "t": (0.0, 1.0)}

    def __init__(self, hard: bool = False) -> None:
        self.hard = hard

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("t") + (u.d("t", "x") if len(x["x"]) > 50 else u)

    def conditions(self) -> Sequence[Dirichlet]:
        return ()

    def ansatz(self) -> laaf.Ansatz | None:
        return laaf.Ansatz(torch.zeros_like, torch.ones_like) if self.hard else None


@pytest.mark.parametrize(("engine", "hard"), [("auto", False), ("auto", True), ("autograd", True)])
def test_a_derivative_that_is_asked_for_later_is_an_error_that_names_it(engine: Any, hard: bool) -> None:
    model = PINN(Fickle(hard), width=4, depth=1, engine=engine)
    model.residual(torch.rand(3, 2))
    sentence = r"u\.d\('x', 't'\) was not asked for when the residual was first run: .*, or take engine='autograd'"
    with pytest.raises(ConfigurationError, match=sentence):
        model.residual(torch.rand(51, 2))


def test_nested_autograd_can_be_asked_for_more_later() -> None:
    model = PINN(Fickle(), width=4, depth=1, engine="autograd").double()
    points = torch.rand(51, 2, dtype=torch.float64)
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
    class Wrong(Fickle):
        def residual(self, x: Mapping[str, Tensor], u: Field) -> Any:
            return residual(u)

    with pytest.raises(ConfigurationError, match=rf"Wrong\.residual gives {got} at N=5 points: it must return"):
        PINN(Wrong())


def test_only_the_derivatives_that_are_asked_for_are_computed() -> None:
    model = pinn_of(Burgers())
    field = model.field(points_of(Burgers()).residual_points)
    asked = {("x",), ("t",), ("x", "x")}
    for by in itertools.chain.from_iterable(itertools.product("xt", repeat=order) for order in (1, 2, 3)):
        if by in asked:
            assert field.d(*by).shape == (RESIDUAL_POINTS, 1)
        else:
            with pytest.raises(ConfigurationError, match="was not asked for"):
                field.d(*by)


def test_a_hook_that_is_taken_away_brings_taylor_mode_back() -> None:
    model = Plain(Burgers())
    handle = model.network[2].register_forward_hook(lambda module, inputs, outputs: 2 * outputs)
    assert "Linear has a hook, which would not run" in str(model.differentiator)
    handle.remove()
    assert model.differentiator.name == "taylor"


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
