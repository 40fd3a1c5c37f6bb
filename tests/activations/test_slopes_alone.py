"""Training slopes alone, and models whose slopes are off for a while."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import register_parametrization

from laaf_lightning import MLP
from laaf_lightning.activations import (
    AdaptiveActivation,
    adapt,
    fold,
    load_slopes,
    named_slopes,
    save_slopes,
    slope_parameter_groups,
    slopes_off,
    train_only_slopes,
)
from laaf_lightning.errors import ConfigurationError
from tests.activations.folding.models import Net

X = torch.linspace(-1, 1, 8).reshape(4, 2)


def moved(scope: Any = "neuron", n: float = 7) -> Any:
    torch.manual_seed(0)
    model = MLP(2, 1, width=3, depth=2, scope=scope, n=n)
    for _, slope in named_slopes(model):
        assert slope.requires_grad
    for site in model.modules():
        if isinstance(site, AdaptiveActivation) and site.a is not None:
            site.a.data.mul_(1.7)
    return model


@pytest.mark.parametrize("scope", ["global", "layer", "neuron"])
def test_only_slopes_are_trained_and_each_comes_once(scope: str) -> None:
    model = moved(scope)
    model.activations[0].a.requires_grad_(requires_grad=False)
    slopes = train_only_slopes(model)
    assert len(slopes) == (1 if scope == "global" else 2)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD(slopes, 0.1)
    model(X).square().sum().backward()
    optimizer.step()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name in before if name.endswith(".a")}


def test_a_model_without_slopes_is_refused_before_it_is_frozen() -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(ConfigurationError, match="Linear has no slopes, and nothing would be trained"):
        train_only_slopes(model)
    assert model.weight.requires_grad


@pytest.mark.parametrize("scope", ["global", "layer", "neuron"])
@pytest.mark.parametrize("n", [1.0, 7.0, 0.3])
def test_slopes_that_are_off_leave_the_plain_function_and_get_no_gradient(scope: str, n: float) -> None:
    model, plain = moved(scope, n), moved("fixed")
    with_slopes = model(X)
    keys, parameters = list(model.state_dict()), list(model.parameters())
    with slopes_off(model):
        output = model(X)
        assert torch.equal(output, plain(X))
        output.sum().backward()
        with slopes_off(model):
            assert torch.equal(model(X), plain(X))
        assert torch.equal(model(X), plain(X))
        assert [*named_slopes(model)] == []
    assert torch.equal(model(X), with_slopes)
    assert list(model.state_dict()) == keys
    assert all(one is other for one, other in zip(model.parameters(), parameters, strict=True))
    assert all(site.a.grad is None for site in model.activations)
    assert all(linear.weight.grad is not None for linear in model.linears)


def test_slopes_come_back_after_an_error_and_a_part_may_be_off() -> None:
    model = moved()
    with_slopes = model(X)
    with pytest.raises(ZeroDivisionError), slopes_off(model):
        1 / 0  # noqa: B018
    assert torch.equal(model(X), with_slopes)
    with slopes_off(model.activations[0]):
        assert [name for name, _ in named_slopes(model)] == ["activations.1"]
    with pytest.raises(ConfigurationError, match="is no model"), slopes_off(3):  # type: ignore[arg-type]
        pass


def test_slopes_of_calls_and_adapted_modules_are_off_too() -> None:
    plain = Net(lambda net, x: torch.relu(net.a(net.act(net.b(x)))))
    x = torch.linspace(-1, 1, 8).reshape(2, 4)
    model = adapt(plain, example_input=x)
    for _, site in model.named_modules():
        if isinstance(site, AdaptiveActivation):
            site.a.data.fill_(3.0)  # type: ignore[union-attr]
    assert not torch.equal(model(x), plain(x))
    with slopes_off(model):
        assert torch.equal(model(x), plain(x))
    with slopes_off(nn.Linear(2, 2)):
        pass


def off(model: nn.Module) -> None:
    with slopes_off(model):
        pass


@pytest.mark.parametrize(
    "use",
    [
        off,
        fold,
        train_only_slopes,
        slope_parameter_groups,
        lambda model: save_slopes(model, "slopes.safetensors"),
        lambda model: load_slopes(model, "slopes.safetensors"),
    ],
)
def test_slopes_that_are_computed_are_refused_and_stay_what_they_are(use: Any) -> None:
    model = nn.Sequential(nn.Linear(2, 2), AdaptiveActivation("tanh"))
    register_parametrization(model[1], "a", nn.Softplus())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ConfigurationError, match=r"the slope of '1' is computed.*remove_parametrizations\(site, 'a'\)"):
        use(model)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
