from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from laaf_lightning.activations import SCOPES, AdaptiveActivation, Scope
from laaf_lightning.derivatives import AutogradField, FusedField, FusedPlan, TaylorField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from tests.derivatives.cases import (
    ACTIVATIONS,
    NAMES,
    assert_equal_oracle,
    assert_near_oracle_in_single_precision,
    derivatives,
    gradients,
    nonlinear_loss,
    points,
    randomised,
    tempered,
    up_to,
    why_not,
)
from tests.derivatives.engines.test_taylor import NETWORKS, SOFTPLUS_TOLERANCE

pytestmark = pytest.mark.usefixtures("kernel")


@pytest.mark.parametrize("coordinates", [1, 2, 3])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_all_derivatives_to_order_two_equal_nested_autograd(activation: str, scope: Scope, coordinates: int) -> None:
    unknowns = 1 + (coordinates + SCOPES.index(scope)) % 3
    network = MLP(coordinates, unknowns, width=7, depth=2, activation=activation, scope=scope, n=5)
    assert_equal_oracle(randomised(network), points(coordinates, 70), up_to(2, coordinates), unknowns, kind=FusedField)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 33), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.integers(1, 140)),
    activation=st.sampled_from(ACTIVATIONS),
    scope=st.sampled_from(SCOPES),
    chosen=st.lists(st.integers(0, 8), max_size=4, unique=True),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 999),
)
def test_any_network_and_any_derivatives_equal_nested_autograd(
    sizes: tuple[int, int, int, int, int],
    activation: str,
    scope: Scope,
    chosen: list[int],
    dtype: torch.dtype,
    seed: int,
) -> None:
    width, depth, unknowns, coordinates, count = sizes
    network = MLP(coordinates, unknowns, width=width, depth=depth, activation=activation, scope=scope, n=5)
    tempered(randomised(network, seed))
    possible = up_to(2, coordinates)
    orders = [possible[k] for k in chosen if k < len(possible)]
    at = points(coordinates, count)
    if dtype == torch.float32:
        assert_near_oracle_in_single_precision(network, at, orders, unknowns, FusedField)
        return
    tolerance = SOFTPLUS_TOLERANCE if activation == "softplus" else 1e-10
    assert_equal_oracle(network, at, orders, unknowns, tolerance, FusedField)


@pytest.mark.parametrize("width", [50, 128, 200])
def test_wide_networks_equal_nested_autograd(width: int) -> None:
    network = MLP(2, 1, width=width, depth=3, scope="neuron", n=5).double()
    assert_equal_oracle(network, points(2, 100), [(0, 0), (1,)], tolerance=1e-10, kind=FusedField)


BEYOND = {
    "own_activation": "an activation has a rule of its own, which the kernel does not know",
    "own_activation_adaptive": "an activation has a rule of its own, which the kernel does not know",
    "two_activations_in_a_row": "the kernel takes each activation after a linear layer, and one stands elsewhere",
    "activation_first": "the kernel takes each activation after a linear layer, and one stands elsewhere",
    "activation_last": "the kernel ends with a linear layer, and the network does not",
    "activation_alone": "the kernel ends with a linear layer, and the network does not",
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_every_build_equal_nested_autograd_or_are_refused_with_a_reason(name: str) -> None:
    network, orders = randomised(NETWORKS[name]), up_to(2, 2)
    assert why_not(FusedPlan, network, orders) == BEYOND.get(name)
    if name in BEYOND:
        with pytest.raises(ConfigurationError, match="the fused kernel cannot differentiate this network: "):
            FusedPlan.of(network, orders)
    else:
        assert_equal_oracle(network, points(2, 20), orders, kind=FusedField)


def test_what_is_beyond_the_kernel_is_told() -> None:
    assert why_not(FusedPlan, nn.Sequential(nn.Linear(2, 1), nn.Mish()), [(0,)]) is not None
    assert why_not(FusedPlan, MLP(1, 1), [(0, 0, 0)]) == (
        "a derivative of order 3 is asked for, and the kernel goes up to order 2"
    )
    assert why_not(FusedPlan, MLP(4, 1), [(0,), (1,), (2,), (3,)]) == (
        "derivatives by 4 coordinates are asked for, and the kernel has 3"
    )
    assert why_not(FusedPlan, MLP(4, 1), [(0,), (1,), (3,)]) is None
    assert why_not(FusedPlan, MLP(1, 1).bfloat16(), [(0,)]) == (
        "the kernel has float32 and float64, and the network is of torch.bfloat16"
    )
    assert why_not(FusedPlan, MLP(1, 1).to("meta"), [(0,)]) == "the kernel runs on the CPU, and the network is on meta"


@pytest.mark.parametrize("coordinates", [4, 7])
def test_coordinates_that_nothing_is_differentiated_by_may_be_more(coordinates: int) -> None:
    network = randomised(MLP(coordinates, 1, width=5, depth=2))
    at = torch.rand(9, coordinates, dtype=torch.float64)
    names = "abcdefg"[:coordinates]
    told, oracle = FusedField(network, at, names, [(1, 3)]), AutogradField(network, at, names)
    for by in ("b", "d", "bd"):
        torch.testing.assert_close(told.d(*by), oracle.d(*by), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("scale", [5.0, 50.0, 3000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saturated_activations_give_neither_nan_nor_a_wrong_derivative(
    activation: str, scale: float, dtype: torch.dtype
) -> None:
    network = nn.Sequential(nn.Linear(1, 1), AdaptiveActivation(activation, "layer", 5), nn.Linear(1, 1)).double()
    with torch.no_grad():
        for p, value in zip(network.parameters(), (1.0, 0.1, 0.2, 1.5, 0.3), strict=True):
            p.fill_(value)
    if activation == "sin" and dtype == torch.float32:
        scale = min(scale, 50.0)  # beyond, the argument itself is rounded by more than the tolerance
    z = torch.linspace(-scale, scale, 41, dtype=torch.float64)[:, None]
    oracle = derivatives(AutogradField(network, z, ["x"]), up_to(2, 1))
    told = derivatives(FusedField(network.to(dtype), z.to(dtype), ["x"], up_to(2, 1)), up_to(2, 1))
    tolerance = SOFTPLUS_TOLERANCE if dtype == torch.float64 else 2e-5
    for got, expected in zip(told, oracle, strict=True):
        torch.testing.assert_close(got.double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tanh_is_right_to_a_few_units_in_the_last_place_everywhere(dtype: torch.dtype) -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.Tanh(), nn.Linear(1, 1)).to(dtype)
    with torch.no_grad():
        for p, value in zip(network.parameters(), (1.0, 0.0, 1.0, 0.0), strict=True):
            p.fill_(value)
    magnitudes = torch.logspace(-6, 2, 20_000, dtype=dtype)[:, None]
    z = torch.cat([magnitudes, -magnitudes, torch.zeros(1, 1, dtype=dtype)])
    told, exact = FusedField(network, z, ["x"], []).value.detach(), torch.tanh(z.double())
    relative = ((told.double() - exact) / exact.where(exact != 0, torch.ones(()))).abs().max()
    assert relative <= 5 * torch.finfo(dtype).eps


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("activation", ["tanh", "sin", "softplus", "gelu"])
def test_nan_and_infinity_come_through(activation: str, bad: float) -> None:
    network = randomised(MLP(1, 1, width=3, depth=2, activation=activation)).float()
    with torch.no_grad():
        network.get_parameter("linears.1.weight")[0, 0] = bad
        network.get_parameter("linears.1.weight")[1, 0] = -bad
        network.get_parameter("linears.2.weight").fill_(bad)
    u = FusedField(network, points(1, 9).float(), ["x"], [(0, 0)])
    assert not (u.value.isfinite() & u.d("x", "x").isfinite()).any()


def test_one_network_at_two_point_sets_in_one_loss() -> None:
    network, orders = randomised(MLP(2, 1, width=9, depth=3, scope="global", n=5)), [(0, 0), (1,)]
    plans: list[Any] = [FusedPlan.of(network, orders), FusedPlan.of(network, []), FusedPlan.of(network, [(0,)])]
    asked: list[list[tuple[int, ...]]] = [orders, [], [(0,)]]

    def loss(fields: list[Any]) -> Tensor:
        return torch.stack([nonlinear_loss(derivatives(u, by)) for u, by in zip(fields, asked, strict=True)]).prod()

    told = [FusedField(network, points(2, 30 + k), ["x", "t"], plan) for k, plan in enumerate(plans)]
    oracle = [AutogradField(network, points(2, 30 + k), ["x", "t"]) for k in range(3)]
    for got, expected in zip(gradients(loss(told), network), gradients(loss(oracle), network), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


def test_frozen_parameters_and_other_leaves_keep_their_gradients_apart() -> None:
    network = randomised(MLP(2, 1, width=4, depth=2, scope="neuron", n=5))
    expected = gradients(nonlinear_loss(derivatives(AutogradField(network, points(2), NAMES[:2]), [(0,)])), network)
    frozen = {"linears.0.weight", "activations.1.a"}
    for name in frozen:
        network.get_parameter(name).requires_grad_(False)
    at = points(2).requires_grad_()
    nonlinear_loss(derivatives(FusedField(network, at, NAMES[:2], [(0,)]), [(0,)])).backward()
    assert at.grad is None
    for (name, p), gradient in zip(network.named_parameters(), expected, strict=True):
        if name in frozen:
            assert p.grad is None
        else:
            torch.testing.assert_close(p.grad, gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_derivatives_are_right_where_gradients_are_switched_off(mode: Any) -> None:
    network, orders = randomised(MLP(2, 1, width=4, depth=2, scope="neuron", n=5)), up_to(2, 2)
    expected = derivatives(FusedField(network, points(2), ["x", "t"], orders), orders)
    with mode():
        found = derivatives(FusedField(network, points(2), ["x", "t"], orders), orders)
    for got, value in zip(found, expected, strict=True):
        assert not got.requires_grad
        assert torch.equal(got, value)


def test_gradients_cannot_be_differentiated_again_and_say_so() -> None:
    network = randomised(MLP(1, 1, width=4, depth=1))
    loss = FusedField(network, points(1), ["x"], [(0,)]).d("x").square().sum()
    first = torch.autograd.grad(loss, list(network.parameters()), create_graph=True)
    with pytest.raises(RuntimeError, match="fused kernel cannot be differentiated again: take engine='taylor'"):
        torch.autograd.grad(first[0].sum(), list(network.parameters()))


def test_other_derivatives_are_refused_by_name() -> None:
    u = FusedField(randomised(MLP(2, 1, width=4, depth=1)), points(2), ["x", "t"], [(0, 0)])
    assert u.d("x").shape == (6, 1)
    with pytest.raises(ConfigurationError, match=r"u\.d\('t'\) was not asked for when the residual was first run"):
        u.d("t")


def test_points_of_another_dtype_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"points are torch\.float64 on cpu, the network is torch\.float32"):
        FusedField(MLP(2, 1), points(2), ["x", "t"], [(0,)])


def test_no_points_are_no_trouble() -> None:
    network = randomised(MLP(2, 2, width=4, depth=1))
    u = FusedField(network, points(2, 0), ["x", "t"], [(0,)], ["v", "w"])
    assert u.d("x").shape == (0, 2)
    assert all(torch.equal(g, torch.zeros_like(g)) for g in gradients(u.d("x").sum(), network))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # of torch's own copies of the arguments
@pytest.mark.parametrize("orders", [[], [(0,), (0, 0)]])
def test_the_operator_keeps_what_torch_asks_of_operators(orders: list[tuple[int, ...]]) -> None:
    plan = FusedPlan.of(MLP(2, 1, width=5, depth=2, scope="neuron", n=5), orders)
    parameters = [p.detach().requires_grad_() for p in plan.parameters()]
    sets = [points(2, 9).float(), points(2, 4).float()]
    count = len(plan.columns) // 2
    arguments = (sets, parameters, plan.codes, plan.columns, [count, 0])
    torch.library.opcheck(torch.ops.laaf_lightning.jets.default, arguments)
    gradient = [*(torch.ones(9, 1) for _ in range(1 + count)), torch.ones(4, 1)]
    backward = torch.ops.laaf_lightning.jets_backward.default
    torch.library.opcheck(backward, (gradient, *arguments), test_utils=("test_schema", "test_faketensor"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of torch 2.14's own code
def test_generated_code_around_the_kernel_equals_eager() -> None:
    network = randomised(MLP(2, 1, width=5, depth=2, scope="neuron", n=5))
    plan = FusedPlan.of(network, [(0, 0)])

    def loss(at: Tensor) -> Tensor:
        u = FusedField(network, at, NAMES[:2], plan)
        return (u * u.d("x") - u.d("x", "x")).square().sum()

    expected = gradients(loss(points(2)), network)
    found = gradients(torch.compile(loss, fullgraph=True)(points(2)), network)
    torch.compiler.reset()
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scope", ["layer", "neuron"])
def test_a_plan_follows_the_parameters(scope: Scope) -> None:
    network = randomised(MLP(2, 1, width=4, depth=2, scope=scope, n=5))
    plan = FusedPlan.of(network, [(0, 0)])
    for _ in range(2):
        told = FusedField(network, points(2), ["x", "t"], plan).d("x", "x")
        expected = TaylorField(network, points(2), ["x", "t"], [(0, 0)]).d("x", "x")
        torch.testing.assert_close(told, expected, rtol=1e-12, atol=1e-12)
        with torch.no_grad():
            for p in network.parameters():
                p.mul_(1.5)
