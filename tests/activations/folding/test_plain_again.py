"""Activations that were adapted become what they were, and models with slopes that stay go on working."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laaf_lightning.activations import AdaptiveActivation, adapt, fold, fold_report
from tests.activations.folding.models import Net, adapted, check, folded, moved

X = torch.linspace(-2, 2, 24, dtype=torch.float64).reshape(6, 4)
MAPS = torch.sin(torch.arange(2 * 3 * 8 * 8, dtype=torch.float64)).reshape(2, 3, 8, 8)


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
