from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laaf_lightning.activations import SCOPES, Scope, named_slopes
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import PreActResNet18
from laaf_lightning.models.preact_resnet import PreActBlock
from tests.activations.cases import noise, parameter

# Channels, and height and width, at the 17 activations of a 32×32 image: a stage's first activation comes before its
# convolution halves the image.
AT_32 = [(64, 32)] * 5 + [(128, 16)] * 4 + [(256, 8)] * 4 + [(512, 4)] * 4
NAMES = [f"stages.{stage}.{block}.activation{k}" for stage in range(4) for block in range(2) for k in (1, 2)]


def shapes(scope: Scope) -> list[tuple[int, ...]]:
    of_scope: dict[Scope, list[tuple[int, ...]]] = {
        "fixed": [],
        "global": [()],
        "layer": [()] * 17,
        "channel": [(channels, 1, 1) for channels, _ in AT_32],
        "neuron": [(channels, side, side) for channels, side in AT_32],
    }
    return of_scope[scope]


@pytest.mark.parametrize("scope", SCOPES)
def test_slopes_have_the_shapes_of_the_seventeen_activations(scope: Scope) -> None:
    slopes = dict(named_slopes(PreActResNet18(scope=scope, n=2)))
    assert [tuple(slope.shape) for slope in slopes.values()] == shapes(scope)
    names = {"fixed": [], "global": ["global"]}.get(scope, [*NAMES, "final_activation"])
    assert list(slopes) == names
    assert all(torch.equal(slope, torch.ones_like(slope)) for slope in slopes.values())


@pytest.mark.parametrize("scope", ["layer", "channel", "neuron"])
def test_without_the_final_activation_there_are_sixteen(scope: Scope) -> None:
    model = PreActResNet18(scope=scope, final_activation=False)
    assert [tuple(slope.shape) for _, slope in named_slopes(model)] == shapes(scope)[:16]
    assert not any("final" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize(("final", "expected"), [(False, 11_171_146), (True, 11_172_170)])
def test_number_of_parameters_is_that_of_the_architecture(final: bool, expected: int) -> None:
    model = PreActResNet18(scope="fixed", final_activation=final)
    assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize(("size", "channels", "classes"), [(8, 3, 10), (9, 1, 4), (1, 2, 3)])
@pytest.mark.parametrize("scope", ["channel", "neuron"])
def test_any_image_size_fits_its_slopes(scope: Scope, size: int, channels: int, classes: int) -> None:
    model = PreActResNet18(classes, channels, size, scope=scope).eval()
    assert model(torch.zeros(2, channels, size, size)).shape == (2, classes)


def slope_of(block: nn.Module, name: str) -> Tensor | float:
    site: Any = getattr(block, name)
    return 1.0 if site.a is None else 3 * parameter(site).detach()


def norm(x: Tensor, module: Any) -> Tensor:
    return F.batch_norm(x, None, None, module.weight, module.bias, training=True)


def forward_of(block: Any, x: Tensor, stride: int, projects: bool) -> Tensor:
    pre = torch.tanh(slope_of(block, "activation1") * norm(x, block.norm1))
    hidden = F.conv2d(pre, block.convolution1.weight, stride=stride, padding=1)
    hidden = torch.tanh(slope_of(block, "activation2") * norm(hidden, block.norm2))
    shortcut = F.conv2d(pre, block.shortcut.weight, stride=stride) if projects else x
    return F.conv2d(hidden, block.convolution2.weight, padding=1) + shortcut


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("scope", SCOPES)
def test_forward_equals_functions_block_by_block(scope: Scope, final: bool) -> None:
    torch.manual_seed(0)
    model = PreActResNet18(4, 2, 8, activation="tanh", scope=scope, n=3, final_activation=final).double()
    for name, p in model.named_parameters():
        if name.endswith(".a") or "norm" in name:
            p.data.add_(noise(*p.shape) / 10)
    x = noise(3, 2, 8, 8)
    expected = F.conv2d(x, model.stem.weight, padding=1)
    blocks = [block for block in model.modules() if isinstance(block, PreActBlock)]
    assert len(blocks) == 8
    for k, block in enumerate(blocks):
        halves = k in {2, 4, 6}
        expected = forward_of(block, expected, 2 if halves else 1, projects=halves)
    if final:
        expected = torch.tanh(slope_of(model, "final_activation") * norm(expected, model.final_norm))
    expected = F.linear(expected.mean((2, 3)), model.output.weight, model.output.bias)
    torch.testing.assert_close(model.train()(x), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"num_classes": 0}, r"num_classes=0 must be a whole number >= 1"),
        ({"in_channels": 1.5}, r"in_channels=1\.5 must be a whole number >= 1"),
        ({"image_size": -32}, r"image_size=-32 must be a whole number >= 1"),
        ({"scope": "neurone"}, r"unknown scope 'neurone': .*did you mean 'neuron'\?"),
        ({"activation": "swish"}, r"unknown activation 'swish': valid are elu, gelu"),
        ({"n": 0}, r"n=0 must be a finite number > 0"),
    ],
)
def test_bad_settings_are_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        PreActResNet18(**arguments)
