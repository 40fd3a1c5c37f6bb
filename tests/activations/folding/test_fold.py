"""A folded model computes the same without slopes, and is the plain one in classes and keys where all of them fold."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laaf_lightning import MLP, LeNet, PreActResNet18
from laaf_lightning.activations import AdaptiveActivation, Scope, adapt, fold, fold_report, named_slopes
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


def test_functions_in_place_forms_and_repeated_modules_are_what_they_were() -> None:
    def forward(net: Any, x: Tensor) -> Any:
        h = F.leaky_relu(net.b(net.act(net.a(x))), 0.2, inplace=True)
        return torch.sigmoid(net.c(torch.relu_(net.d(h)))).tanh()

    plain = Net(forward, c=nn.Linear(4, 2), d=nn.Linear(4, 4)).double()
    model = adapted(plain, X)
    result, report = folded(model, X)
    assert [(site.name.rpartition(".")[2], site.kept) for site in report] == [
        ("act", None),
        ("leaky_relu_1", None),
        ("relu_1", None),
        ("sigmoid_1", None),
        ("tanh_1", "stands behind adaptive_calls.sigmoid_1, an activation"),
    ]
    assert check(model, X)["adaptive_calls.relu_1"] is None
    without = adapted(plain, X, where=lambda site: site.kind != "tanh")
    result, report = folded(without, X)
    assert not report.kept
    assert type(result) is Net
    assert type(result.act) is nn.ReLU
    assert list(result.state_dict()) == list(plain.state_dict())
    repeated = adapted(Net(lambda net, x: net.act(net.b(net.act(net.a(x))))), X.float())
    assert set(check(repeated, X).values()) == {None}
    assert type(folded(repeated, X)[0].act) is nn.ReLU


def test_foreign_activations_and_their_parameters_are_what_they_were() -> None:
    plain = nn.Sequential(nn.Linear(4, 4), nn.PReLU(4), nn.Linear(4, 4), nn.Softplus(2.0), nn.Linear(4, 4), nn.RReLU())
    model = adapted(plain.double(), X, "channel")
    result, report = folded(model, X)
    assert not report.kept
    assert [type(module) for module in result] == [type(module) for module in plain]
    assert [vars(module).keys() for module in result] == [vars(module).keys() for module in plain]
    assert list(result.state_dict()) == list(plain.state_dict())
    torch.testing.assert_close(result(X), model(X))
    plain.load_state_dict(result.state_dict())
    torch.testing.assert_close(plain.eval()(X), model(X))
    assert torch.equal(result[1].weight, model[1].weight)


def test_functional_prelu_folds_too() -> None:
    model = Net(lambda net, x: net.act(net.b(F.prelu(net.a(x), net.w.weight))), w=nn.GroupNorm(4, 4)).double()
    assert check(adapted(model, X, "channel"), X) == {"act": None, "adaptive_calls.prelu_1": None}


def test_hooks_of_the_activation_stay_and_run_once() -> None:
    seen: list[str] = []
    sites = AdaptiveActivation("relu"), AdaptiveActivation("tanh")
    model = moved(nn.Sequential(nn.Linear(4, 3), sites[0], nn.Linear(3, 3), sites[1]))
    handle = model[1].register_forward_hook(lambda *_: seen.append("after"))
    model[3].register_forward_pre_hook(lambda *_: seen.append("before"))
    result, report = folded(model, X)
    assert not report.kept
    seen.clear()
    result(X)
    assert seen == ["after", "before"]
    folded(model, X, inplace=True)
    handle.remove()
    seen.clear()
    model(X)
    assert seen == ["before"]


def test_inplace_changes_the_model_itself_and_a_copy_leaves_it() -> None:
    model = adapted(nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 1)), X.float())
    before = copy.deepcopy(model.state_dict())
    result, _ = folded(model, X)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert list(before) == list(model.state_dict())
    expected = model(X)
    weight = model[0].weight
    assert fold(model, X, inplace=True) is model
    torch.testing.assert_close(model(X), expected)
    assert model[0].weight is weight
    assert torch.equal(model[0].weight, result[0].weight)
    assert len(fold_report(model)) == 1


def test_a_partly_folded_model_pickles_copies_and_goes_on_counting_its_calls() -> None:
    def forward(net: Any, x: Tensor) -> Any:
        return F.relu(net.act(net.a(x)) + x) + F.relu(net.b(x))

    model = adapted(Net(forward).double(), X)
    model.computes = _residual
    result, report = folded(model, X)
    assert [site.kept is None for site in report] == [True, False, True]
    assert list(dict(result.named_buffers())) == ["adaptive_calls.relu_1.factor"]
    for each in (result, copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        torch.testing.assert_close(each(X), model(X))
    fresh = folded(adapted(Net(_residual).double(), X), X)[0]
    fresh.load_state_dict(result.state_dict())
    torch.testing.assert_close(fresh(X), model(X))


def _residual(net: Any, x: Tensor) -> Any:
    return F.relu(net.act(net.a(x)) + x) + F.relu(net.b(x))


def test_a_transformer_layer_gets_its_fast_path_back() -> None:
    plain = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    x = torch.sin(torch.arange(48.0, dtype=torch.float64)).reshape(2, 3, 8)
    model = adapted(plain, x.float())
    result, report = folded(model, x)
    assert not report.kept
    assert result.activation_relu_or_gelu == plain.activation_relu_or_gelu == 1
    torch.testing.assert_close(result(x), model(x))


def test_a_warning_names_what_stays_and_a_whole_fold_says_nothing() -> None:
    model = adapted(Net(lambda net, x: net.act(net.a(x) + x)).double(), X)
    text = r"1 of 1 slopes of Net stay as constant factors: act \(ReLU\) stands behind an addition"
    with pytest.warns(UserWarning, match=text):
        result = fold(model, X)
    assert str(fold_report(result)) == "site  kind  slope\nact   ReLU  kept: stands behind an addition"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fold(adapted(nn.Sequential(nn.Linear(4, 4), nn.Tanh()), X.float()), X)


def test_a_model_without_slopes_comes_back_as_a_copy_and_fixed_modules_as_they_were() -> None:
    model = adapt(nn.Sequential(nn.Linear(4, 4), nn.Tanh()), "fixed").double()
    result = fold(model, X)
    assert result is not model
    assert type(result[1]) is nn.Tanh
    assert torch.equal(result(X), model(X))
    assert len(fold_report(result)) == 0


def test_an_activation_alone_keeps_its_factor() -> None:
    model = moved(AdaptiveActivation("tanh", n=2))
    with pytest.warns(UserWarning, match="has no affine layer before it"):
        result = fold(model, X)
    torch.testing.assert_close(result(X), model(X))
    assert [*result.parameters()] == []


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 5e-2)])
def test_other_dtypes_fold_and_stay(dtype: torch.dtype, tolerance: float) -> None:
    model = adapted(Net(lambda net, x: net.act(net.b(net.act(net.a(x))) + x)), X.float()).to(dtype)
    x = X.to(dtype)
    result, _ = folded(model, x)
    assert result.a.weight.dtype == dtype
    torch.testing.assert_close(result(x).double(), model(x).double(), rtol=tolerance, atol=tolerance)
