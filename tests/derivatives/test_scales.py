"""Maps of inputs and outputs: every engine differentiates what is outside of them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import AutogradField, Field, FusedField, InputScale, Order, OutputScale, TaylorField
from laaf_lightning.derivatives.engines import Unsuitable
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from tests.derivatives.cases import randomised, up_to

NAMES, UNKNOWNS = ("x", "t"), ("p", "v")
CENTER, HALF_RANGE, OFFSET, SCALE = (
    torch.tensor(numbers, dtype=torch.float64) for numbers in ([5e5, 7e-7], [5e5, 3e-7], [300.0, 0.0], [50.0, 1e-5])
)


def scaled(depth: int = 2, **settings: Any) -> MLP:
    inputs, outputs = InputScale(CENTER, HALF_RANGE), OutputScale(OFFSET, SCALE)
    network = MLP(2, 2, width=7, depth=depth, n=3, input_scale=inputs, output_scale=outputs, **settings)
    assert isinstance(randomised(network), MLP)
    return network


def places(count: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    inner = 2 * torch.rand(count, 2, dtype=torch.float64, generator=generator) - 1
    return CENTER + HALF_RANGE * inner


def composed(network: MLP) -> Callable[[Tensor], Tensor]:
    """What a scaled network is, written out."""

    def function(points: Tensor) -> Tensor:
        hidden = (points - CENTER) / HALF_RANGE
        *layers, last = network.linears
        for linear, activation in zip(layers, network.activations, strict=True):
            hidden = activation(linear(hidden))
        outputs: Tensor = OFFSET + SCALE * last(hidden)
        return outputs

    return function


def assert_equal(field: Field, function: Callable[[Tensor], Tensor], orders: Sequence[Order], points: Tensor) -> None:
    """Compare each column of u and of each derivative with nested autograd, relative to its own size."""
    oracle = AutogradField(function, points, NAMES, UNKNOWNS)
    for order in [(), *orders]:
        expected = oracle._derivative(order) if order else oracle.value
        found = field._derivative(order) if order else field.value
        largest = expected.detach().abs().amax(dim=0)
        assert (largest > 0).all()
        assert ((found - expected).detach().abs().amax(dim=0) / largest).max() < 1e-10


@pytest.mark.parametrize("scope", ["fixed", "global", "neuron"])
def test_taylor_mode_differentiates_the_composition_up_to_order_four(scope: Any) -> None:
    network, points, orders = scaled(scope=scope), places(), up_to(4, 2)
    assert_equal(TaylorField(network, points, NAMES, orders, UNKNOWNS), composed(network), orders, points)


def test_nested_autograd_differentiates_the_composition() -> None:
    network, points, orders = scaled(), places(), up_to(3, 2)
    assert_equal(AutogradField(network, points, NAMES, UNKNOWNS), composed(network), orders, points)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("scope", ["fixed", "global", "neuron"])
def test_the_kernel_differentiates_the_composition(scope: Any) -> None:
    network, points, orders = scaled(scope=scope), places(), up_to(2, 2)
    assert_equal(FusedField(network, points, NAMES, orders, UNKNOWNS), composed(network), orders, points)


@pytest.mark.usefixtures("kernel")
def test_several_networks_at_once_have_maps_of_their_own() -> None:
    networks, points, orders = [scaled(), scaled()], places(), up_to(2, 2)
    networks[1].input_scale = InputScale([4e5, 6e-7], [6e5, 4e-7]).double()
    together = FusedField.of_networks(networks, points, NAMES, orders, UNKNOWNS)
    for network, field in zip(networks, together, strict=True):
        assert_equal(field, network, orders, points)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("kind", [TaylorField, FusedField])
def test_gradients_by_the_parameters_are_those_of_nested_autograd(kind: Any) -> None:
    network, points, orders = scaled(scope="layer"), places(), up_to(2, 2)

    def gradients(field: Field) -> list[Tensor]:
        size = torch.stack([field._derivative(order).detach().abs().amax(dim=0) for order in orders])
        terms = [field._derivative(order) / size[k] for k, order in enumerate(orders)]
        loss = torch.stack(terms).square().sum() + (field.value / 300).square().sum()
        return [*torch.autograd.grad(loss, [*network.parameters()])]

    found = gradients(kind(network, points, NAMES, orders, UNKNOWNS))
    expected = gradients(AutogradField(composed(network), points, NAMES, UNKNOWNS))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10 * float(other.abs().max()))


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("kind", [TaylorField, FusedField])
def test_a_sequence_of_ones_own_may_have_maps_at_its_ends_and_no_bias(kind: Any) -> None:
    inner = nn.Sequential(nn.Linear(2, 5, bias=False), nn.Tanh(), nn.Linear(5, 2, bias=False))
    network = nn.Sequential(InputScale(CENTER, HALF_RANGE), inner, OutputScale(OFFSET, SCALE))
    orders, points = up_to(2, 2), places()
    assert_equal(kind(randomised(network), points, NAMES, orders, UNKNOWNS), network, orders, points)


def test_maps_elsewhere_are_left_to_autograd() -> None:
    twice = nn.Sequential(InputScale([0.0], [2.0]), InputScale([0.0], [2.0]), nn.Linear(1, 1))
    with pytest.raises(Unsuitable, match="no rule for the derivatives of InputScale"):
        TaylorField(twice, torch.zeros(1, 1), ["x"], [(0,)])
    after = nn.Sequential(nn.Linear(1, 1), nn.Tanh(), OutputScale([0.0], [2.0]))
    with pytest.raises(Unsuitable, match="after something that is no linear layer"):
        TaylorField(after, torch.zeros(1, 1), ["x"], [(0,)])


def test_numbers_stay_exact_where_the_network_becomes_double() -> None:
    scale = OutputScale([0.1], [0.3]).double()
    assert scale.offset.item() == 0.1
    again = OutputScale([1.0], [1.0]).double()
    again.load_state_dict(scale.state_dict())
    assert again.float().double().scale.item() == 0.3


def test_a_state_dict_decides_which_maps_a_network_has() -> None:
    network, plain, points = scaled(), MLP(2, 2, width=7, depth=2, n=3).double(), places()
    assert not [key for key in plain.state_dict() if "scale" in key]
    former = copy.deepcopy(plain)
    plain.load_state_dict(network.state_dict())
    assert torch.equal(plain(points), network(points))
    network.load_state_dict(former.state_dict())
    assert torch.equal(network(points), former(points))
    assert network.input_scale is None


def test_a_state_dict_without_weights_of_the_first_layer_leaves_the_maps() -> None:
    network, points = scaled(), places()
    before = network(points)
    network.load_state_dict({}, strict=False)
    assert torch.equal(network(points), before)


def test_copies_and_pickles_have_the_maps() -> None:
    network, points = scaled(), places()
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(twin(points), network(points))


@pytest.mark.parametrize(
    ("kind", "numbers", "said"),
    [
        (OutputScale, ([0.0], [0.0]), "scale=.0.0.: all must be finite and not zero"),
        (OutputScale, ([float("nan")], [1.0]), "offset=.nan.: all must be finite"),
        (InputScale, ([0.0], [float("inf")]), "half_range=.inf.: all must be finite and not zero"),
        (InputScale, ([0.0, 1.0], [1.0]), "give one number for each column to both"),
    ],
)
def test_numbers_that_make_no_map_are_refused(kind: Any, numbers: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        kind(*numbers)


@pytest.mark.parametrize("name", ["input_scale", "output_scale"])
def test_a_network_of_other_columns_is_refused(name: str) -> None:
    settings: Any = {name: (InputScale if name == "input_scale" else OutputScale)([0.0], [1.0])}
    with pytest.raises(ConfigurationError, match=f"{name} has 1 columns, and the network 2"):
        MLP(2, 2, width=3, depth=1, **settings)


@pytest.mark.parametrize(("kind", "numbers"), [(InputScale, ([0.0], [1e-42])), (OutputScale, ([0.0], [1e40]))])
def test_numbers_beyond_the_range_of_the_dtype_are_refused(kind: Any, numbers: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"beyond the range of torch.float32: state the problem in other units"
    ):
        kind(*numbers)
