from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from laaf_lightning.activations import SCOPES, Scope, named_slopes
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import LeNet
from tests.activations.cases import noise, parameter

SIDES = {28: (12, 4), 16: (6, 1), 32: (14, 5), 17: (6, 1)}


def shapes(scope: Scope, size: int) -> list[tuple[int, ...]]:
    first, second = SIDES[size]
    of_scope: dict[Scope, list[tuple[int, ...]]] = {
        "fixed": [],
        "global": [()],
        "layer": [(), (), ()],
        "channel": [(64, 1, 1), (64, 1, 1), (1014,)],
        "neuron": [(64, first, first), (64, second, second), (1014,)],
    }
    return of_scope[scope]


@pytest.mark.parametrize("size", SIDES)
@pytest.mark.parametrize("scope", SCOPES)
def test_slopes_and_outputs_have_the_shapes_of_the_architecture(scope: Scope, size: int) -> None:
    model = LeNet(image_size=size, scope=scope, n=2)
    slopes = dict(named_slopes(model))
    assert [tuple(slope.shape) for slope in slopes.values()] == shapes(scope, size)
    assert list(slopes) == {"fixed": [], "global": ["global"]}.get(scope, [f"activation{k}" for k in (1, 2, 3)])
    assert all(torch.equal(slope, torch.ones_like(slope)) for slope in slopes.values())
    assert model(torch.zeros(3, 1, size, size)).shape == (3, 10)


@pytest.mark.parametrize("size", [28, 16])
def test_number_of_parameters_is_that_of_the_paper(size: int) -> None:
    model = LeNet(image_size=size, scope="fixed")
    features = 64 * SIDES[size][1] ** 2
    expected = (64 * 25 + 64) + (64 * 64 * 25 + 64) + (features * 1014 + 1014) + (1014 * 10 + 10)
    assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize("scope", SCOPES)
def test_forward_equals_functions_with_the_slope_after_pooling(scope: Scope) -> None:
    model = LeNet(7, 2, 16, hidden=6, activation="tanh", scope=scope, n=3).double()
    sites = [model.activation1, model.activation2, model.activation3]
    for p in (site.a for site in sites if site.a is not None):
        p.data.copy_(noise(*p.shape) / 2)
    a = [1 / 3 if scope == "fixed" else parameter(site).detach() for site in sites]
    x = noise(4, 2, 16, 16)
    c1, c2, hidden, out = model.convolution1, model.convolution2, model.hidden, model.output
    h = torch.tanh(3 * a[0] * F.max_pool2d(F.conv2d(x, c1.weight, c1.bias), 2))
    h = torch.tanh(3 * a[1] * F.max_pool2d(F.conv2d(h, c2.weight, c2.bias), 2))
    h = torch.tanh(3 * a[2] * F.linear(h.flatten(1), hidden.weight, hidden.bias))
    torch.testing.assert_close(model(x), F.linear(h, out.weight, out.bias), rtol=1e-12, atol=1e-14)


def test_settings_of_the_authors_code_are_at_hand() -> None:
    model = LeNet(hidden=1024, dropout=0.5)
    assert (model.hidden.out_features, model.dropout.p) == (1024, 0.5)
    assert isinstance(LeNet().dropout, nn.Dropout)
    assert LeNet().dropout.p == 0


def test_dropout_acts_on_the_hidden_layer_in_training_only() -> None:
    torch.manual_seed(0)
    model = LeNet(image_size=16, hidden=200, dropout=0.25)
    seen: list[torch.Tensor] = []
    model.output.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.activation3.register_forward_hook(lambda *args: seen.append(args[2]))
    x = torch.rand(50, 1, 16, 16)
    model.train()(x)
    before, after = seen
    kept = after != 0
    torch.testing.assert_close(after[kept], (before / 0.75)[kept])
    active = before != 0
    assert kept[active].float().mean().item() == pytest.approx(0.75, abs=0.03)
    seen.clear()
    model.eval()(x)
    assert torch.equal(seen[0], seen[1])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"num_classes": 0}, r"num_classes=0 must be a whole number >= 1"),
        ({"in_channels": -1}, r"in_channels=-1 must be a whole number >= 1"),
        ({"image_size": 28.0}, r"image_size=28\.0 must be a whole number >= 1"),
        ({"hidden": 0}, r"hidden=0 must be a whole number >= 1"),
        ({"image_size": 15}, r"image_size=15 is too small for LeNet, .* at least 16x16"),
        ({"dropout": 1}, r"dropout=1 must be in \[0, 1\); 0 switches it off"),
        ({"dropout": -0.1}, r"dropout=-0\.1 must be in \[0, 1\)"),
        ({"scope": "pixel"}, r"unknown scope 'pixel': valid are fixed, global, layer, channel, neuron"),
        ({"activation": "rleu"}, r"unknown activation 'rleu': .*did you mean 'relu'\?"),
        ({"n": -1}, r"n=-1 must be a finite number > 0"),
    ],
)
def test_bad_settings_are_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        LeNet(**arguments)
