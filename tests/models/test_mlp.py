from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from laaf_lightning.activations import SCOPES, Scope, named_slopes
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from tests.activations.cases import FORMULAS, noise, parameter

SHAPES: dict[Scope, list[tuple[int, ...]]] = {
    "fixed": [],
    "global": [()],
    "layer": [()] * 3,
    "channel": [(5,)] * 3,
    "neuron": [(5,)] * 3,
}


@pytest.mark.parametrize("name", ["tanh", "sin", "relu"])
@pytest.mark.parametrize("scope", SCOPES)
def test_forward_equals_numpy_layer_by_layer(scope: Scope, name: str) -> None:
    model = MLP(2, 3, width=5, depth=3, activation=name, scope=scope, n=4, init="normal").double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(noise(*p.shape) / 2)
    state = {key: value.numpy() for key, value in model.state_dict().items()}
    x = noise(7, 2)
    h = x.numpy()
    for k in range(3):
        h = h @ state[f"linears.{k}.weight"].T + state[f"linears.{k}.bias"]
        h = FORMULAS[name](h if scope == "fixed" else 4.0 * state[f"activations.{k}.a"] * h)
    expected = h @ state["linears.3.weight"].T + state["linears.3.bias"]
    np.testing.assert_allclose(model(x).detach().numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("scope", SCOPES)
def test_slopes_have_one_shape_a_layer_and_are_named_from_input_to_output(scope: Scope) -> None:
    slopes = dict(named_slopes(MLP(2, 1, width=5, depth=3, scope=scope, n=10)))
    assert [tuple(slope.shape) for slope in slopes.values()] == SHAPES[scope]
    names = ["global"] if scope == "global" else [f"activations.{k}" for k in range(len(SHAPES[scope]))]
    assert list(slopes) == names
    assert all(torch.equal(slope, torch.ones_like(slope)) for slope in slopes.values())


@pytest.mark.parametrize("scope", SCOPES)
def test_number_of_parameters_is_that_of_the_affine_maps_and_the_slopes(scope: Scope) -> None:
    model = MLP(2, 1, width=20, depth=6, scope=scope)
    slopes = {"fixed": 0, "global": 1, "layer": 6, "channel": 120, "neuron": 120}[scope]
    assert sum(p.numel() for p in model.parameters()) == 2 * 20 + 20 + 5 * (400 + 20) + 20 + 1 + slopes


@pytest.mark.parametrize("lead", [(), (4,), (4, 6), (0,)])
@pytest.mark.parametrize("scope", ["layer", "neuron"])
def test_any_leading_dimensions_are_kept(scope: Scope, lead: tuple[int, ...]) -> None:
    model = MLP(2, 3, width=5, depth=1, scope=scope)
    assert model(torch.zeros(*lead, 2)).shape == (*lead, 3)


@pytest.mark.parametrize("scope", SCOPES)
def test_layers_are_the_affine_maps_and_the_sites_in_turn_and_make_up_the_forward(scope: Scope) -> None:
    model = MLP(2, 3, width=5, depth=3, scope=scope)
    layers = list(model.layers())
    assert layers[0::2] == list(model.linears)
    assert layers[1::2] == list(model.activations)
    x = torch.rand(7, 2)
    assert torch.equal(nn.Sequential(*layers)(x), model(x))


def test_output_layer_has_no_activation() -> None:
    model = MLP(1, 1, width=1, depth=1, activation="relu")
    with torch.no_grad():
        for linear in model.linears:
            assert isinstance(linear, nn.Linear)
            linear.weight.fill_(1)
            linear.bias.fill_(-3)
    assert model(torch.tensor([[5.0], [1.0]])).tolist() == [[-1.0], [-3.0]]


def test_xavier_start_has_zero_biases_and_the_variance_of_glorot() -> None:
    torch.manual_seed(0)
    model = MLP(300, 200, width=400, depth=2)
    for linear, (fan_in, fan_out) in zip(model.linears, [(300, 400), (400, 400), (400, 200)], strict=True):
        assert isinstance(linear, nn.Linear)
        check_normal(linear.weight, math.sqrt(2 / (fan_in + fan_out)))
        assert torch.equal(linear.bias, torch.zeros(fan_out))


def test_normal_start_has_standard_deviation_a_tenth_for_weights_and_biases() -> None:
    torch.manual_seed(0)
    model = MLP(300, 40_000, width=400, depth=2, init="normal")
    for linear in model.linears:
        assert isinstance(linear, nn.Linear)
        check_normal(linear.weight, 0.1)
    assert isinstance(linear, nn.Linear)
    check_normal(linear.bias, 0.1)


def check_normal(values: torch.Tensor, std: float) -> None:
    """Compare mean, standard deviation and the share within one deviation with a normal law, to 5 standard errors."""
    count = values.numel()
    standardised = values.detach().double() / std
    assert abs(standardised.mean().item()) < 5 / math.sqrt(count)
    assert abs(standardised.std().item() - 1) < 5 / math.sqrt(2 * count)
    within = math.erf(1 / math.sqrt(2))
    share = (standardised.abs() < 1).double().mean().item()
    assert abs(share - within) < 5 * math.sqrt(within * (1 - within) / count)


def test_start_does_not_depend_on_scope_and_n() -> None:
    outputs = []
    for scope in SCOPES:
        for n in (1, 10):
            torch.manual_seed(0)
            outputs.append(MLP(2, 1, scope=scope, n=n)(torch.ones(3, 2)))
    assert all(torch.equal(output, outputs[0]) for output in outputs)


def test_activation_given_as_a_module_is_copied_for_every_site() -> None:
    prelu = nn.PReLU()
    model = MLP(2, 1, depth=3, activation=prelu)
    copies = [site.activation for site in model.activations]
    assert len({id(module) for module in [prelu, *copies]}) == 4
    assert len({id(module.weight) for module in copies if isinstance(module, nn.PReLU)}) == 3
    assert len({id(parameter(site)) for site in model.activations}) == 3


@pytest.mark.parametrize("name", ["in_features", "out_features", "width", "depth"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None, True])
def test_sizes_that_are_no_whole_number_from_one_are_refused(name: str, value: Any) -> None:
    sizes = {"in_features": 2, "out_features": 1, "width": 5, "depth": 2}
    with pytest.raises(ConfigurationError, match=rf"{name}={value!r} must be a whole number >= 1"):
        MLP(**{**sizes, name: value})


def test_numpy_integers_are_whole_numbers() -> None:
    assert MLP(np.int64(2), np.int32(3), width=np.int64(5))(torch.zeros(1, 2)).shape == (1, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"init": "xaver"}, r"unknown init 'xaver': valid are xavier, normal; did you mean 'xavier'\?"),
        ({"scope": "layers"}, r"unknown scope 'layers': .*did you mean 'layer'\?"),
        ({"activation": "tan"}, r"unknown activation 'tan': .*did you mean 'tanh'\?"),
        ({"activation": nn.Tanh}, r"activation=Tanh is a class"),
        ({"n": 0}, r"n=0 must be a finite number > 0"),
    ],
)
def test_unknown_choices_are_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        MLP(2, 1, **arguments)
