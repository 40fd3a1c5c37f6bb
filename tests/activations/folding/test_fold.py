"""A folded model computes the same without slopes, and is the plain one in classes and keys where all of them fold."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laaf_lightning import MLP, LeNet, PreActResNet18
from laaf_lightning.activations import AdaptiveActivation, Scope, named_slopes
from tests.activations.folding.models import Net, adapted, check, folded, moved

X = torch.linspace(-2, 2, 24, dtype=torch.float64).reshape(6, 4)
MAPS = torch.sin(torch.arange(2 * 3 * 8 * 8, dtype=torch.float64)).reshape(2, 3, 8, 8)
OURS: dict[str, Callable[[Scope], nn.Module]] = {
    "lenet": lambda scope: LeNet(image_size=16, hidden=5, dropout=0.5, scope=scope, n=3),
    "preact": lambda scope: PreActResNet18(3, 2, 8, scope=scope, n=3),
    "mlp": lambda scope: MLP(2, 1, width=6, depth=3, scope=scope, n=3),
    "mlp of sin": lambda scope: MLP(2, 1, width=6, depth=2, activation="sin", scope=scope, n=3),
    "lenet of prelu": lambda scope: LeNet(3, image_size=16, hidden=5, activation=nn.PReLU(), scope=scope, n=3),
}


@pytest.mark.parametrize("scope", ["global", "layer", "channel"])
@pytest.mark.parametrize("name", OURS)
def test_our_models_fold_whole_with_and_without_an_example(name: str, scope: Scope) -> None:
    model: Any = moved(OURS[name](scope))
    plain = moved(OURS[name]("fixed"))
    x = model.example_input
    for example in (x, None):
        result, report = folded(model, example)
        assert not report.kept
        assert len(report) == {"lenet": 3, "preact": 17, "mlp": 3, "mlp of sin": 2, "lenet of prelu": 3}[name]
        torch.testing.assert_close(result(x), model(x), rtol=1e-12, atol=1e-14)
        assert list(result.state_dict()) == list(plain.state_dict())
        plain.load_state_dict(result.state_dict())
        torch.testing.assert_close(plain(x), model(x), rtol=1e-12, atol=1e-14)
        result.load_state_dict(plain.state_dict())
        assert [*named_slopes(result)] == []


def test_neuron_slopes_of_features_fold_and_those_of_pixels_stay() -> None:
    assert not folded(moved(OURS["mlp"]("neuron")), X[:, :2])[1].kept
    model = moved(LeNet(image_size=20, hidden=5, scope="neuron"))
    result, report = folded(model)
    assert [site.name for site in report.kept] == ["activation1", "activation2"]
    assert "one for each pixel" in str(report.kept[0].kept)
    assert result.activation1.factor.shape == (64, 8, 8)
    x = model.example_input
    torch.testing.assert_close(result(x), model(x), rtol=1e-13, atol=1e-13)
    assert [name for name, _ in result.named_parameters() if "activation" in name] == []


LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "Linear": (nn.Linear(4, 6, bias=False), (3, 4)),
    "Linear of sequences": (nn.Linear(4, 6), (3, 5, 4)),
    "Conv1d": (nn.Conv1d(4, 6, 3), (3, 4, 7)),
    "grouped Conv2d": (nn.Conv2d(4, 6, 3, groups=2, padding=1), (3, 4, 5, 5)),
    "Conv3d": (nn.Conv3d(4, 6, 3, bias=False), (3, 4, 5, 5, 5)),
    "ConvTranspose1d": (nn.ConvTranspose1d(4, 6, 3), (3, 4, 7)),
    "grouped ConvTranspose2d": (nn.ConvTranspose2d(4, 6, 3, groups=2, stride=2), (3, 4, 5, 5)),
    "ConvTranspose3d": (nn.ConvTranspose3d(4, 6, 3), (3, 4, 3, 3, 3)),
    "BatchNorm1d": (nn.BatchNorm1d(4), (3, 4)),
    "BatchNorm1d of sequences": (nn.BatchNorm1d(4), (3, 4, 7)),
    "BatchNorm2d": (nn.BatchNorm2d(4), (3, 4, 5, 5)),
    "BatchNorm3d": (nn.BatchNorm3d(4), (3, 4, 3, 3, 3)),
    "LayerNorm": (nn.LayerNorm(4), (3, 5, 4)),
    "LayerNorm without bias": (nn.LayerNorm(4, bias=False), (3, 4)),
    "RMSNorm": (nn.RMSNorm(4), (3, 4)),
    "GroupNorm": (nn.GroupNorm(2, 4), (3, 4, 5, 5)),
    "InstanceNorm2d": (nn.InstanceNorm2d(4, affine=True), (3, 4, 5, 5)),
}


@pytest.mark.parametrize("scope", ["layer", "channel"])
@pytest.mark.parametrize("name", LAYERS)
def test_every_affine_layer_takes_slopes_along_its_features(name: str, scope: Scope) -> None:
    layer, shape = LAYERS[name]
    x = torch.sin(torch.arange(torch.Size(shape).numel(), dtype=torch.float64)).reshape(shape)
    model = adapted(nn.Sequential(copy.deepcopy(layer), nn.Tanh()).double(), x, scope)
    assert check(model, x) == {"1": None}
    alone, report = folded(model)
    if report.kept:
        assert scope == "channel"
    torch.testing.assert_close(alone(x), model(x), rtol=1e-12, atol=1e-12)


def test_slopes_of_a_layer_norm_over_several_dimensions_fold_each_by_itself() -> None:
    x = MAPS[..., :4]
    model = nn.Sequential(nn.LayerNorm([8, 4]), AdaptiveActivation("tanh", "neuron", 2, (8, 4)))
    assert check(moved(model), x) == {"1": None}


PIECES: dict[str, tuple[Callable[[Any, Tensor], Any], Scope]] = {
    "max pool": (lambda net, x: net.act(F.max_pool2d(net.c(x), 2)), "channel"),
    "adaptive max pool": (lambda net, x: net.act(F.adaptive_max_pool2d(net.c(x), 3)), "channel"),
    "average pool with padding": (lambda net, x: net.act(F.avg_pool2d(net.c(x), 3, 2, 1)), "channel"),
    "global average pool": (lambda net, x: net.act(F.adaptive_avg_pool2d(net.c(x), 1).flatten(1)), "channel"),
    "mean": (lambda net, x: net.act(net.c(x).mean((2, 3))), "channel"),
    "mean without batch": (lambda net, x: net.act(net.c(x).mean(-1, keepdim=True)), "channel"),
    "dropout": (lambda net, x: net.act(F.dropout(net.c(x), 0.5, net.training)), "channel"),
    "dropout of channels": (lambda net, x: net.act(F.dropout2d(net.c(x), 0.5, net.training)), "channel"),
    "permuted": (lambda net, x: net.act(net.c(x).permute(0, 2, 3, 1)).mean((1, 2)), "layer"),
    "flat": (lambda net, x: net.act(net.c(x).flatten(1)), "layer"),
    "views and copies": (lambda net, x: net.act(net.c(x).transpose(1, 2).reshape(2, -1).contiguous()), "global"),
    "half of it": (lambda net, x: net.act(net.c(x)[:, :2, ::2]), "channel"),
    "up": (lambda net, x: net.act(F.interpolate(net.c(x), scale_factor=2, mode="bilinear")), "channel"),
    "by a constant": (lambda net, x: net.act(-net.c(x) * 0.5), "channel"),
    "by a parameter": (lambda net, x: net.act(net.c(x) * net.a.bias[:3, None, None]), "channel"),
}


@pytest.mark.parametrize("name", PIECES)
def test_a_slope_passes_what_commutes_with_it(name: str) -> None:
    forward, scope = PIECES[name]
    model = adapted(Net(forward, c=nn.Conv2d(3, 3, 3)).double(), MAPS, scope)
    assert check(model, MAPS) == {"act": None}


def test_features_are_followed_through_a_permutation() -> None:
    model = Net(lambda net, x: net.act(net.c(x).permute(0, 2, 3, 1)), c=nn.Conv2d(3, 3, 3))
    assert check(adapted(model.double(), MAPS, "channel"), MAPS) == {"act": None}


def test_slopes_of_pixels_behind_flatten_fold_only_where_each_channel_has_one() -> None:
    def net(shape: tuple[int, ...]) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 2, 3), nn.Flatten(), AdaptiveActivation("relu", "neuron", 2, shape), nn.Linear(72, 1)
        )

    (reason,) = check(moved(net((72,))), MAPS).values()
    assert "several slopes for one feature" in str(reason)
    one = nn.Sequential(nn.Conv2d(3, 5, 8), nn.Flatten(), AdaptiveActivation("relu", "neuron", 2, (5,)))
    assert check(moved(one), MAPS) == {"2": None}


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AdaptiveMaxPool2d(3), nn.AvgPool2d(2)])
def test_a_slope_that_is_not_positive_passes_means_only(pool: nn.Module) -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 3), pool, nn.ReLU())
    negative = adapted(model, MAPS.float(), "channel", lowest=-1, largest=0.2)
    kept = check(negative, MAPS)["2"]
    assert kept is None if isinstance(pool, nn.AvgPool2d) else "<= 0" in str(kept)
    zero = adapted(model, MAPS.float(), lowest=0, largest=0)
    assert ("2" in [site.name for site in folded(zero, MAPS)[1].kept]) != isinstance(pool, nn.AvgPool2d)
    assert ("2" in [site.name for site in folded(zero)[1].kept]) != isinstance(pool, nn.AvgPool2d)


@pytest.mark.parametrize("value", [-1.3, 0.0])
def test_negative_slopes_and_zero_fold_into_a_layer(value: float) -> None:
    model = adapted(nn.Sequential(nn.Linear(4, 3), nn.ELU()), X.float(), lowest=value, largest=value)
    assert check(model, X) == {"1": None}


def test_batch_norm_trains_alike_and_keeps_its_statistics() -> None:
    model = adapted(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), MAPS.float(), "channel")
    result, _ = folded(model, MAPS)
    for each in (model.train(), result.train()):
        for shift in range(3):
            each(MAPS + shift)
    torch.testing.assert_close(result[1].running_var, model[1].running_var)
    torch.testing.assert_close(result.eval()(MAPS), model.eval()(MAPS))
    assert torch.equal(result[0].weight, model[0].weight)
