"""Which dimension holds the features: slopes of channels and neurons tie a model to no length and no batch size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from laaf_lightning.activations import Scope, adapt, named_slopes
from laaf_lightning.errors import ConfigurationError

Shape = tuple[int, ...]


class Permuted(nn.Module):
    """A convolution whose features are moved to the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(3, 5, 3), nn.LayerNorm(5), nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.act(self.norm(self.conv(x).permute(0, 2, 3, 1)))
        return output


class Split(nn.Module):
    """Half of a layer's features gates the other half."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.own = nn.Linear(4, 10), nn.Parameter(torch.ones(5, 3))

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.layer(x).chunk(2, -1)
        return torch.tanh((value * torch.sigmoid(gate)) @ self.own)


CASES: dict[str, tuple[Any, Any, list[Shape], list[Shape]]] = {
    "dense": (lambda: nn.Sequential(nn.Linear(4, 8), nn.GELU()), (2, 4), [(8,)], [(8,)]),
    "sequence": (lambda: nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.GELU()), (2, 5, 4), [(8,)], [(8,)]),
    "image": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU()), (2, 3, 8, 8), [(6, 1, 1)], [(6, 6, 6)]),
    "pooled": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.MaxPool2d(2), nn.BatchNorm2d(6), nn.ReLU()),
        (2, 3, 8, 8), [(6, 1, 1)], [(6, 3, 3)],
    ),
    "flattened": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.ReLU()), (2, 3, 4, 4), [(24,)], [(24,)]),
    "signal": (lambda: nn.Sequential(nn.Conv1d(3, 6, 3), nn.ReLU()), (2, 3, 8), [(6, 1)], [(6, 6)]),
    "channels last": (Permuted, (2, 3, 8, 8), [(5,)], [(6, 6, 5)]),
    "split": (Split, (2, 7, 4), [(5,), (3,)], [(5,), (3,)]),
    "normalised": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()), (2, 3, 4, 4), [(3, 1, 1)], [(3, 4, 4)]),
}  # fmt: skip


@pytest.mark.parametrize("scope", ["channel", "neuron"])
@pytest.mark.parametrize("name", CASES)
def test_the_affine_layer_before_an_activation_tells(name: str, scope: Scope) -> None:
    make, shape, channel, neuron = CASES[name]
    adapted = adapt(make(), scope, example_input=torch.ones(shape))
    assert [tuple(slope.shape) for _, slope in named_slopes(adapted)] == (channel if scope == "channel" else neuron)


@pytest.mark.parametrize("scope", ["channel", "neuron"])
def test_another_length_and_another_batch_size(scope: Scope) -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8)  # (L, N, E): the batch is the second dimension
    adapted = adapt(nn.Sequential(layer, nn.Linear(4, 6), nn.SiLU()), scope, example_input=torch.ones(5, 3, 4))
    assert [tuple(slope.shape) for _, slope in named_slopes(adapted)] == [(8,), (6,)]
    assert adapted(torch.ones(6, 7, 4)).shape == (6, 7, 6)


@pytest.mark.parametrize(("name", "size"), [("vit_b_16", 3072), ("swin_t", 384), ("convnext_tiny", 384)])
def test_transformers_and_channels_last_networks_of_torchvision(name: str, size: int) -> None:
    options = {"image_size": 32} if name == "vit_b_16" else {}
    model = getattr(torchvision.models, name)(**options)
    model = nn.Sequential(model.conv_proj, model.encoder.layers[0].mlp) if name == "vit_b_16" else model.features[:2]
    if name == "vit_b_16":
        model, x = model[1], torch.ones(1, 5, 768)
    else:
        x = torch.ones(1, 3, 32, 32)
    adapted = adapt(model, "channel", example_input=x)
    assert next(tuple(slope.shape) for _, slope in named_slopes(adapted)) == (size,)


class Unknown(nn.Module):
    """Features that no affine layer tells of."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.act(x)
        return output


class Twice(nn.Module):
    """Two such."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Unknown(), Unknown()

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.b(self.a(x).transpose(1, 2))
        return output


def test_where_nothing_tells_it_is_asked_for() -> None:
    x = torch.ones(2, 3, 4)
    with pytest.raises(ConfigurationError, match=r"no affine layer tells which dimension of 'a', a sample \(3, 4\)"):
        adapt(Twice(), "channel", example_input=x)
    shapes = {1: [(3, 1), (4, 1)], -1: [(4,), (3,)]}
    for dim, expected in shapes.items():
        adapted = adapt(Twice(), "channel", example_input=x, feature_dim=dim)
        assert [tuple(slope.shape) for _, slope in named_slopes(adapted)] == expected
    adapted = adapt(Twice(), "channel", example_input=x, feature_dim={"a": 1, "b": -1})
    assert [tuple(slope.shape) for _, slope in named_slopes(adapted)] == [(3, 1), (3,)]


@pytest.mark.parametrize("dim", [0, 3, -3, "last", 1.5])
def test_a_dimension_that_is_none(dim: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"is no dimension of the features of 'a', .* give 1 to 2, or -1"):
        adapt(Twice(), "channel", example_input=torch.ones(2, 3, 4), feature_dim=dim)


def test_a_slope_of_one_needs_no_features() -> None:
    assert len(dict(named_slopes(adapt(Twice(), example_input=torch.ones(2, 3, 4))))) == 2
