from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict
from torch.optim.swa_utils import AveragedModel

from laaf_lightning.activations import SCOPES, AdaptiveActivation, Scope, adapt, named_slopes
from tests.activations.cases import CASES, TRAINED, noise, parameter

X = noise(5, 3).float()
TRAINED_SCOPES = [scope for scope in SCOPES if scope != "fixed"]


def network(scope: Scope, n: float = 10.0) -> nn.Sequential:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    return adapt(plain, scope, n, example_input=X)


def moved(scope: Scope, n: float = 10.0) -> nn.Sequential:
    model = network(scope, n)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(noise(*p.shape) / 4)
    return model


def through_a_file(model: nn.Module) -> dict[str, Tensor]:
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    state: dict[str, Tensor] = torch.load(file, weights_only=True)
    return state


@pytest.mark.parametrize("case", TRAINED)
def test_state_holds_the_slope_and_n(case: str) -> None:
    site = CASES[case].moved_site(n=7)
    state = site.state_dict()
    assert set(state) == {"a", "n"}
    assert torch.equal(state["a"], parameter(site))
    assert state["n"].item() == 7


def test_n_is_kept_where_every_device_can_hold_it() -> None:
    with torch.device("meta"):
        n = AdaptiveActivation("tanh", n=7).state_dict()["n"]
    assert (n.device.type, n.dtype, n.item()) == ("cpu", torch.float32, 7)


@pytest.mark.parametrize("scope", SCOPES)
def test_state_loads_strictly_from_a_file_that_holds_weights_only(scope: Scope) -> None:
    model, other = moved(scope), network(scope)
    assert not torch.equal(other(X), model(X))
    other.load_state_dict(through_a_file(model), strict=True)
    assert torch.equal(other(X), model(X))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("scope", SCOPES)
def test_copy_computes_the_same_and_shares_nothing(scope: Scope, copied: Callable[[Any], Any]) -> None:
    model = moved(scope)
    expected, twin = model(X).detach(), copied(model)
    assert torch.equal(twin(X), expected)
    assert len(list(twin.parameters())) == len(list(model.parameters()))
    assert [name for name, _ in named_slopes(twin)] == [name for name, _ in named_slopes(model)]
    for p in twin.parameters():
        p.data.add_(1)
    assert torch.equal(model(X), expected)
    model.load_state_dict(twin.state_dict())
    assert torch.equal(model(X), twin(X))


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("scope", TRAINED_SCOPES)
def test_checkpoint_with_another_n_is_an_error_that_names_both(scope: Scope, strict: bool) -> None:
    text = r"1\.n: the checkpoint has n=10, this activation has n=2\.5; build the model with n=10"
    with pytest.raises(RuntimeError, match=text):
        network(scope, n=2.5).load_state_dict(network(scope, n=10).state_dict(), strict=strict)


@pytest.mark.parametrize(("of_checkpoint", "of_model"), [(10, 10.001), (0.1, 0.10001), (1, 2)])
def test_n_that_differs_little_is_another_n(of_checkpoint: float, of_model: float) -> None:
    with pytest.raises(RuntimeError, match=f"has n={of_checkpoint}, this activation has n={of_model}"):
        AdaptiveActivation("tanh", n=of_model).load_state_dict(AdaptiveActivation("tanh", n=of_checkpoint).state_dict())


@pytest.mark.parametrize("n", [10, 0.1, 1 / 3, 49.7])
@pytest.mark.parametrize(
    "change",
    [
        lambda n: n,
        lambda n: sum([n / 7] * 7),
        lambda n: n.double(),
        lambda n: n.half(),
        lambda n: n.bfloat16(),
        lambda n: n.item(),
    ],
    ids=["none", "mean_of_seven", "float64", "float16", "bfloat16", "number"],
)
def test_n_that_was_averaged_or_cast_is_the_same_n(change: Callable[[Any], Any], n: float) -> None:
    state = AdaptiveActivation("tanh", n=n).state_dict()
    state["n"] = change(state["n"])
    AdaptiveActivation("tanh", n=n).load_state_dict(state)


def test_moving_average_of_states_loads() -> None:
    model, averaged = moved("layer"), network("layer").state_dict()
    for _ in range(200):
        for name, value in model.state_dict().items():
            averaged[name] = 0.97 * averaged[name] + 0.03 * value
    other = network("layer")
    other.load_state_dict(averaged)
    torch.testing.assert_close(other(X), model(X), rtol=0.05, atol=0.01)


@pytest.mark.parametrize("scope", TRAINED_SCOPES)
def test_state_of_fixed_loads_into_another_scope_and_leaves_slopes_at_one(scope: Scope) -> None:
    plain = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    for source in (plain, moved("fixed")):
        model = network(scope)
        result = model.load_state_dict(source.state_dict(), strict=False)
        assert set(result.missing_keys) == {"1.a", "3.a"}
        assert result.unexpected_keys == []
        assert all(torch.equal(slope, torch.ones_like(slope)) for _, slope in named_slopes(model))
        torch.testing.assert_close(model(X), source(X))


def test_state_with_slopes_does_not_load_strictly_into_fixed() -> None:
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "1.a", "1.n", "3.a", "3.n"'):
        network("fixed").load_state_dict(network("layer").state_dict())


def test_parameters_alone_load_strictly() -> None:
    model, other = moved("neuron"), network("neuron")
    other.load_state_dict(dict(model.named_parameters()))
    assert torch.equal(other(X), model(X))


def test_loading_leaves_the_state_of_the_caller_as_it_was() -> None:
    state = moved("layer").state_dict()
    keys = list(state)
    network("layer").load_state_dict(state)
    assert list(state) == keys
    assert "1.n" in keys


def test_slope_of_another_shape_does_not_load() -> None:
    model = network("layer")
    before = [slope.clone() for _, slope in named_slopes(model)]
    with pytest.raises(RuntimeError, match=r"size mismatch for 1.a: .* slopes of shape \(4,\), .* 'layer' has one"):
        model.load_state_dict(network("neuron").state_dict())
    assert all(torch.equal(slope, old) for (_, slope), old in zip(named_slopes(model), before, strict=True))


@pytest.mark.parametrize("scope", SCOPES)
def test_averaged_model_of_torch_averages_slopes(scope: Scope) -> None:
    first, second = network(scope), moved(scope)
    average = AveragedModel(first)
    average.update_parameters(first)
    average.update_parameters(second)
    for mean, p, q in zip(average.module.parameters(), first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(mean, (p + q) / 2)
    again = AveragedModel(network(scope))
    again.load_state_dict(average.state_dict())
    assert torch.equal(again(X), average(X))


@pytest.mark.parametrize("scope", SCOPES)
def test_distributed_checkpoint_functions_take_the_state(scope: Scope) -> None:
    model, other = moved(scope), network(scope)
    result = set_model_state_dict(other, get_model_state_dict(model))
    assert result.missing_keys == result.unexpected_keys == []
    assert torch.equal(other(X), model(X))


@pytest.mark.parametrize("scope", SCOPES)
def test_moving_the_model_keeps_global_slopes_shared(scope: Scope) -> None:
    model = moved(scope)
    count = len(list(named_slopes(model)))
    assert count == {"fixed": 0, "global": 1}.get(scope, 2)
    for change in (model.double, model.half, model.float, model.cpu):
        change()
        assert len(list(named_slopes(model))) == count
