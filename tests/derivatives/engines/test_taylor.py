from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from laaf_lightning.activations import SCOPES, AdaptiveActivation, Scope, adapt
from laaf_lightning.derivatives import AutogradField, TaylorField, TaylorPlan
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from tests.derivatives.cases import (
    ACTIVATIONS,
    NAMES,
    Chain,
    Steep,
    assert_equal_oracle,
    assert_near_oracle_in_single_precision,
    both,
    derivatives,
    points,
    randomised,
    tempered,
    up_to,
)

# Beyond z = 20 torch's softplus is z, where the rule for σ′ still has 1/(1 + exp(−20)) = 1 − 2e-9.
SOFTPLUS_TOLERANCE = 1e-7


@pytest.mark.parametrize("coordinates", [1, 2, 3])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_all_derivatives_to_order_two_equal_nested_autograd(activation: str, scope: Scope, coordinates: int) -> None:
    unknowns = 1 + (coordinates + SCOPES.index(scope)) % 3
    network = MLP(coordinates, unknowns, width=4, depth=2, activation=activation, scope=scope, n=5)
    assert_equal_oracle(randomised(network), points(coordinates), up_to(2, coordinates), unknowns)


@pytest.mark.parametrize("scope", ["fixed", "layer", "neuron"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fourth_derivative_in_one_coordinate_equals_nested_autograd(activation: str, scope: Scope) -> None:
    network = MLP(1, 2, width=4, depth=2, activation=activation, scope=scope, n=5)
    assert_equal_oracle(randomised(network), points(1), up_to(4, 1), 2)


@pytest.mark.parametrize("order", [(0, 0, 1), (0, 1, 2), (0, 1, 1, 1), (0, 0, 1, 1), (0, 0, 1, 2), (2, 2, 2, 2)])
@pytest.mark.parametrize("activation", ["tanh", "sin", "gelu"])
def test_mixed_derivatives_of_order_three_and_four_equal_nested_autograd(
    activation: str, order: tuple[int, ...]
) -> None:
    network = MLP(3, 2, width=4, depth=2, activation=activation, scope="neuron", n=5)
    assert_equal_oracle(randomised(network), points(3), [order], 2)


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3)),
    activation=st.sampled_from(ACTIVATIONS),
    scope=st.sampled_from(SCOPES),
    orders=st.lists(st.sampled_from(up_to(4, 2)), min_size=1, max_size=4, unique=True),
    seed=st.integers(0, 999),
)
def test_any_network_and_any_derivatives_equal_nested_autograd(
    sizes: tuple[int, int, int], activation: str, scope: Scope, orders: list[tuple[int, ...]], seed: int
) -> None:
    width, depth, unknowns = sizes
    network = MLP(2, unknowns, width=width, depth=depth, activation=activation, scope=scope, n=5)
    tolerance = SOFTPLUS_TOLERANCE if activation == "softplus" else 1e-9
    assert_equal_oracle(randomised(network, seed), points(2), orders, unknowns, tolerance)


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 5), st.integers(1, 3)),
    activation=st.sampled_from(ACTIVATIONS),
    scope=st.sampled_from(SCOPES),
    orders=st.lists(st.sampled_from(up_to(2, 2)), min_size=1, max_size=4, unique=True),
    seed=st.integers(0, 999),
)
def test_single_precision_is_near_nested_autograd_in_double(
    sizes: tuple[int, int, int], activation: str, scope: Scope, orders: list[tuple[int, ...]], seed: int
) -> None:
    width, depth, unknowns = sizes
    network = randomised(MLP(2, unknowns, width=width, depth=depth, activation=activation, scope=scope, n=5), seed)
    assert_near_oracle_in_single_precision(tempered(network), points(2, 20), orders, unknowns)


def weight_normed() -> nn.Module:
    norm = torch.nn.utils.parametrizations.weight_norm
    return nn.Sequential(norm(nn.Linear(2, 4)), nn.Tanh(), norm(nn.Linear(4, 1)))


def shared_slope() -> nn.Module:
    slope = nn.Parameter(torch.tensor(0.2))
    first, second = (AdaptiveActivation("sin", "global", 5, slope=slope) for _ in range(2))
    return nn.Sequential(nn.Linear(2, 4), first, nn.Linear(4, 3), second, nn.Linear(3, 1))


def own_site(shape: tuple[int, ...] = (4,)) -> nn.Module:
    return AdaptiveActivation("tanh", "neuron", 5, shape)


def used_twice(site: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(2, 4), site, nn.Linear(4, 4), site, nn.Linear(4, 1))


NETWORKS: dict[str, nn.Module] = {
    "torch's_modules": nn.Sequential(
        nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 4), nn.Softplus(), nn.Linear(4, 4),
        nn.SiLU(), nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 4), nn.Identity(), nn.Linear(4, 1),
    ),
    "nested": nn.Sequential(
        nn.Sequential(nn.Linear(2, 4), nn.Sequential(nn.Tanh())),
        MLP(4, 3, width=5, depth=1, scope="neuron", n=5),
        nn.Sequential(),
        nn.Sequential(nn.Tanh(), nn.Linear(3, 1)),
    ),
    "without_bias": nn.Sequential(nn.Linear(2, 4, bias=False), own_site(), nn.Linear(4, 1, bias=False)),
    "parametrised": weight_normed(),
    "parametrised_and_adaptive": adapt(weight_normed(), "neuron", 5, torch.zeros(1, 2)),
    "layered": Chain(nn.Linear(2, 4), nn.Tanh(), Chain(nn.Linear(4, 4), own_site()), nn.Linear(4, 1)),
    "own_activation": nn.Sequential(nn.Linear(2, 4), Steep(), nn.Linear(4, 1)),
    "own_activation_adaptive": nn.Sequential(
        nn.Linear(2, 4), AdaptiveActivation(Steep(), "neuron", 5, (4,)), nn.Linear(4, 1)
    ),
    "two_activations_in_a_row": nn.Sequential(nn.Linear(2, 4), own_site(), own_site(), nn.Linear(4, 1)),
    "two_linear_layers_in_a_row": nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 4), own_site(), nn.Linear(4, 1)),
    "activation_first": nn.Sequential(own_site((2,)), nn.Linear(2, 4), own_site(), nn.Linear(4, 1)),
    "activation_last": nn.Sequential(nn.Linear(2, 3), own_site((3,)), nn.Linear(3, 1), own_site((1,))),
    "shared_slope": shared_slope(),
    "one_site_used_twice": used_twice(own_site()),
    "linear_alone": nn.Linear(2, 1),
    "activation_alone": nn.Sequential(nn.Linear(2, 1), nn.Tanh()),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_every_build_equal_nested_autograd(name: str) -> None:
    assert_equal_oracle(randomised(NETWORKS[name]), points(2), up_to(2, 2))


def test_derivatives_that_vanish_are_zeros_of_full_shape() -> None:
    network = randomised(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)))
    u = TaylorField(network, points(2), ["x", "t"], [(0, 0), (0, 1)], ["v", "w"])
    for by in (("x", "x"), ("x", "t")):
        assert torch.equal(u.d(*by), torch.zeros(6, 2, dtype=torch.float64))
    assert u.d("x").shape == (6, 2)


def test_value_alone_needs_no_derivative() -> None:
    network = randomised(MLP(2, 1, width=4, depth=2))
    u = TaylorField(network, points(2), ["x", "t"], [])
    torch.testing.assert_close(u.value, network(points(2)), rtol=1e-12, atol=1e-14)


def test_lower_derivatives_come_with_the_higher_ones_and_others_are_refused_by_name() -> None:
    u = TaylorField(randomised(MLP(2, 1, width=4, depth=1)), points(2), ["x", "t"], [(0, 0, 1)])
    for by in (("x",), ("t",), ("t", "x"), ("x", "x"), ("x", "t", "x")):
        assert u.d(*by).shape == (6, 1)
    with pytest.raises(
        ConfigurationError,
        match=r"u\.d\('t', 't'\) was not asked for when the residual was first run: .*"
        r"ask for it in every case, or take engine='autograd'",
    ):
        u.d("t", "t")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("scale", [5.0, 50.0])
def test_saturated_activations_give_neither_nan_nor_a_wrong_derivative(activation: str, scale: float) -> None:
    network = nn.Sequential(nn.Linear(1, 1), AdaptiveActivation(activation, "layer", 5), nn.Linear(1, 1)).double()
    with torch.no_grad():
        for p, value in zip(network.parameters(), (1.0, 0.1, 0.2, 1.5, 0.3), strict=True):
            p.fill_(value)
    tolerance = SOFTPLUS_TOLERANCE if activation == "softplus" else 1e-10
    z = torch.linspace(-scale, scale, 41, dtype=torch.float64)[:, None]
    assert_equal_oracle(network, z, up_to(4, 1), tolerance=tolerance)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_derivatives_are_right_where_gradients_are_switched_off(mode: Any) -> None:
    network, orders = randomised(MLP(2, 1, width=4, depth=2, scope="neuron", n=5)), up_to(2, 2)
    expected = derivatives(TaylorField(network, points(2), ["x", "t"], orders), orders)
    with mode():
        found = derivatives(TaylorField(network, points(2), ["x", "t"], orders), orders)
    for got, value in zip(found, expected, strict=True):
        assert not got.requires_grad
        assert torch.equal(got, value)


@pytest.mark.parametrize("requires_grad", [False, True])
def test_points_of_the_caller_stay_out_of_the_graph(requires_grad: bool) -> None:
    at = points(2).requires_grad_(requires_grad)
    u = TaylorField(randomised(MLP(2, 1, width=4, depth=1)), at, ["x", "t"], [(0, 0)])
    (u * u.d("x", "x")).sum().backward()
    assert at.requires_grad == requires_grad
    assert at.grad is None


def test_no_pass_backwards_is_made_for_the_derivatives(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("autograd.grad called")

    monkeypatch.setattr(torch.autograd, "grad", refuse)
    u, _ = both(randomised(MLP(2, 1, width=4, depth=1)), points(2), [(0, 0)])
    assert u.d("x", "x").requires_grad


@pytest.mark.parametrize("name", ["activations.1.a", "linears.1.weight", "linears.0.bias"])
def test_a_plan_serves_many_fields_and_follows_the_parameters(name: str) -> None:
    network = randomised(MLP(2, 1, width=4, depth=2, scope="neuron", n=5))
    plan = TaylorPlan.of(network, [(0, 0)])
    before = TaylorField(network, points(2), ["x", "t"], plan).d("x", "x")
    with torch.no_grad():
        network.get_parameter(name).mul_(1.5)
    for at in (points(2), points(2, 9)):
        after = TaylorField(network, at, ["x", "t"], plan).d("x", "x")
        torch.testing.assert_close(after, AutogradField(network, at, ["x", "t"]).d("x", "x"), rtol=1e-10, atol=1e-10)
    assert not torch.allclose(TaylorField(network, points(2), ["x", "t"], plan).d("x", "x"), before)


def test_a_plan_is_copied_and_pickled_with_its_network() -> None:
    network = randomised(NETWORKS["own_activation_adaptive"])
    plan = TaylorPlan.of(network, [(0, 0)])
    for twin, its_plan in (copy.deepcopy((network, plan)), pickle.loads(pickle.dumps((network, plan)))):
        with torch.no_grad():
            for p in twin.parameters():
                p.mul_(1.5)
        found = TaylorField(twin, points(2), ["x", "t"], its_plan).d("x", "x")
        torch.testing.assert_close(found, AutogradField(twin, points(2), ["x", "t"]).d("x", "x"))
    assert not torch.allclose(found, TaylorField(network, points(2), ["x", "t"], plan).d("x", "x"))


def test_a_plan_of_a_network_beyond_taylor_mode_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Taylor mode cannot differentiate this network: no rule for"):
        TaylorPlan.of(MLP(2, 1, activation="relu"), [(0,)])


def test_all_names_of_coordinates_serve() -> None:
    network = randomised(MLP(3, 1, width=4, depth=1))
    u = TaylorField(network, points(3), NAMES, [(0, 2)])
    torch.testing.assert_close(u.d("t", "x"), AutogradField(network, points(3), NAMES).d("x", "t"))
    assert isinstance(u + 1, Tensor)
