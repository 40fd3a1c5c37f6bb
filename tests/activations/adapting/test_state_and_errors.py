from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation, Scope, adapt, named_slopes
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from tests.activations.adapting.test_adapt import convolutional, perceptron

X = torch.ones(2, 2, 6, 6, dtype=torch.float64)


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("inplace", [True, False])
def test_mode_of_every_module_is_kept(training: bool, inplace: bool) -> None:
    model = convolutional().train(training)
    model[0][1].train(not training)  # type: ignore[index]
    before = modes(model)
    adapted = adapt(model, "neuron", example_input=X, inplace=inplace)
    assert modes(model) == modes(adapted) == before
    assert {site.training for site in adapted.modules() if isinstance(site, AdaptiveActivation)} == {training}


@pytest.mark.parametrize("inplace", [True, False])
def test_looking_for_shapes_moves_no_running_statistics_and_no_random_state(inplace: bool) -> None:
    model = convolutional().train()
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    state = torch.get_rng_state()
    adapted = adapt(model, "neuron", example_input=X, inplace=inplace)
    assert torch.equal(torch.get_rng_state(), state)
    for name, b in adapted.named_buffers():
        assert torch.equal(b, buffers[name])


@pytest.mark.parametrize("scope", ["layer", "neuron"])
def test_hooks_of_the_model_and_its_activations_stay_and_none_is_added(scope: Scope) -> None:
    calls: list[str] = []
    model = perceptron()
    model.register_forward_hook(lambda *_: calls.append("model"))
    model[1].register_forward_hook(lambda *_: calls.append("activation"))
    adapted = adapt(model, scope, example_input=torch.ones(2, 3, dtype=torch.float64), inplace=True)
    calls.clear()
    adapted(torch.ones(2, 3, dtype=torch.float64))
    assert calls == ["activation", "model"]
    for module in adapted.modules():
        assert len(module._forward_pre_hooks) == 0
        assert len(module._forward_hooks) <= 1


def test_looking_for_shapes_keeps_nothing_for_a_backward_pass() -> None:
    outputs: list[Tensor] = []
    model = perceptron()
    model.register_forward_hook(lambda *args: outputs.append(args[2]))
    adapt(model, "neuron", example_input=torch.ones(2, 3, dtype=torch.float64), inplace=True)
    assert {output.requires_grad for output in outputs} == {False}
    assert all(p.requires_grad for p in model.parameters())


class _CallsTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.act = nn.Linear(3, 3), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.act(self.linear(self.act(self.linear(x))))
        return output


class _NeverCalls(_CallsTwice):
    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.linear(x)
        return output


class _CallsFunctions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.linear(x))


ONES = torch.ones(2, 3)
ERRORS: dict[str, tuple[nn.Module, dict[str, Any], str]] = {
    "never": (_NeverCalls(), {"example_input": ONES}, r"act \(ReLU\): not called on example_input"),
    "functions": (_CallsFunctions(), {}, r"_CallsFunctions holds no activation module .* found with example_input=…"),
    "adaptive": (MLP(2, 1), {}, r"every activation of MLP is adaptive already"),
    "itself": (nn.Tanh(), {}, r"Tanh\(\) is an activation itself: wrap it, AdaptiveActivation\(Tanh\(\), …\)"),
    "no example": (MLP(2, 1), {"scope": "neuron"}, r"scope='neuron' needs example_input=…, one batch"),
    "no example for channels": (MLP(2, 1), {"scope": "channel"}, r"scope='channel' needs example_input=…"),
    "scope": (perceptron(), {"scope": "neurons"}, r"unknown scope 'neurons': .* did you mean 'neuron'\?"),
    "n": (perceptron(), {"n": 0}, r"n=0 must be a finite number > 0"),
}


@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_be_adapted_is_refused_and_left_as_it_was(name: str, inplace: bool) -> None:
    model, arguments, text = copy.deepcopy(ERRORS[name])
    modules, mode = dict(model.named_modules()), modes(model)
    with pytest.raises(ConfigurationError, match=text):
        adapt(model, **arguments, inplace=inplace)
    assert dict(model.named_modules()) == modules
    assert modes(model) == mode


def test_forward_that_fails_leaves_the_model_as_it_was() -> None:
    model = perceptron().train()
    modules = dict(model.named_modules())
    with pytest.raises(
        ConfigurationError, match=r"does not run on example_input .*mat1 and mat2 shapes cannot be mult"
    ):
        adapt(model, "neuron", example_input=torch.ones(2, 4, dtype=torch.float64), inplace=True)
    assert dict(model.named_modules()) == modules
    assert all(modes(model))


@pytest.mark.parametrize(("scope", "slopes"), [("fixed", 0), ("global", 1)])
def test_activation_called_twice_is_no_matter_without_slopes_of_their_own(scope: Scope, slopes: int) -> None:
    assert len(list(named_slopes(adapt(_CallsTwice(), scope, example_input=ONES)))) == slopes


def test_resnet_of_torchvision_has_a_slope_at_each_of_the_calls_of_its_shared_modules() -> None:
    model = torchvision.models.resnet18(num_classes=3)
    adapted = adapt(model, example_input=torch.ones(2, 3, 32, 32), inplace=True)
    names = [name for name, _ in named_slopes(adapted)]
    assert len(names) == 17
    assert names[:3] == ["relu", "layer1.0.adaptive_calls.relu_1", "layer1.0.adaptive_calls.relu_2"]
