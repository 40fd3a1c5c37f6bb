from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from laaf_lightning.activations import SCOPES, AdaptiveActivation, Scope, adapt, named_slopes
from laaf_lightning.activations.elementwise import MODULES
from tests.activations.cases import noise, parameter

ARGUMENTS: dict[str, tuple[float, ...]] = {"Threshold": (0.1, -0.5)}


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 5), nn.Sigmoid(), nn.Linear(5, 1)).double()


def convolutional() -> nn.Sequential:
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(features, nn.Flatten(), nn.Linear(12, 5), nn.ELU(), nn.Dropout(), nn.Linear(5, 2)).double()


def same_state(one: nn.Module, other: dict[str, Tensor]) -> bool:
    state = one.state_dict()
    return list(state) == list(other) and all(torch.equal(state[name], other[name]) for name in other)


@pytest.mark.parametrize("n", [1.0, 10.0])
@pytest.mark.parametrize("scope", SCOPES)
def test_function_is_unchanged_and_the_argument_untouched(scope: Scope, n: float) -> None:
    model, x = perceptron(), noise(6, 3)
    before, state = str(model), copy.deepcopy(model.state_dict())
    adapted = adapt(model, scope, n, example_input=x)
    assert adapted is not model
    assert str(model) == before
    assert same_state(model, state)
    torch.testing.assert_close(adapted(x), model(x), rtol=1e-14, atol=0)
    for p in adapted.parameters():
        p.data.add_(1)
    assert same_state(model, state)
    sites = [module for module in adapted.modules() if isinstance(module, AdaptiveActivation)]
    assert [(site.scope, site.n) for site in sites] == [(scope, n)] * 2


@pytest.mark.parametrize("scope", SCOPES)
def test_inplace_changes_the_model_itself(scope: Scope) -> None:
    model, x = perceptron(), noise(6, 3)
    expected = model(x)
    weights = dict(model.named_parameters())
    assert adapt(model, scope, example_input=x, inplace=True) is model
    torch.testing.assert_close(model(x), expected, rtol=1e-14, atol=0)
    assert all(dict(model.named_parameters())[name] is p for name, p in weights.items())
    assert isinstance(model[1], AdaptiveActivation)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_elementwise_module_is_adapted_and_computes_the_same(module: type[nn.Module]) -> None:
    model = nn.Sequential(nn.Linear(3, 4), module(*ARGUMENTS.get(module.__name__, ()))).double().eval()
    adapted, z = adapt(model, n=2), noise(5, 3)
    assert torch.equal(adapted(z), model(z))
    parameter(adapted[1]).data.mul_(1.5)
    torch.testing.assert_close(adapted(z), model[1](1.5 * model[0](z)), rtol=1e-14, atol=0)


def test_activation_with_parameters_keeps_them_beside_the_slope() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.PReLU(4))
    adapted = adapt(model, "channel", example_input=torch.ones(2, 3))
    assert {name for name, _ in adapted[1].named_parameters()} == {"a", "weight"}
    assert adapted.load_state_dict(model.state_dict(), strict=False).missing_keys == ["1.a"]
    assert adapted.load_state_dict(model.state_dict(), strict=False).unexpected_keys == []
    adapted(torch.randn(5, 3)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in adapted[1].parameters())


SHAPES: dict[Scope, list[tuple[int, ...]]] = {
    "fixed": [],
    "global": [()],
    "layer": [(), ()],
    "channel": [(3, 1, 1), (5,)],
    "neuron": [(3, 4, 4), (5,)],
}


@pytest.mark.parametrize("scope", SCOPES)
def test_slopes_have_the_shape_that_the_scope_asks_for(scope: Scope) -> None:
    adapted = adapt(convolutional(), scope, example_input=noise(2, 2, 6, 6))
    assert [tuple(slope.shape) for _, slope in named_slopes(adapted)] == SHAPES[scope]
    assert len(list(adapted.parameters())) == 8 + len(SHAPES[scope])


def test_slopes_of_a_sequence_and_of_a_batch_of_scalars() -> None:
    for scope in ("channel", "neuron"):
        sequence = adapt(perceptron(), scope, example_input=noise(2, 7, 3))
        assert [tuple(slope.shape) for _, slope in named_slopes(sequence)] == [(4,), (5,)]
        assert sequence(noise(3, 6, 3)).shape == (3, 6, 1)  # another length, another batch
        scalars = adapt(nn.Sequential(nn.Flatten(0), nn.Tanh()), scope, example_input=noise(4, 1))
        assert [tuple(slope.shape) for _, slope in named_slopes(scalars)] == [()]


class _TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.activation = nn.Tanh()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        output: Tensor = self.activation(x + y)
        return output


def test_tuple_is_the_positional_arguments() -> None:
    adapted = adapt(_TwoInputs(), "neuron", example_input=(noise(2, 3), noise(2, 3)))
    assert parameter(adapted.activation).shape == (3,)


@pytest.mark.parametrize("scope", ["layer", "neuron"])
def test_one_module_at_several_places_gets_a_slope_at_each(scope: Scope) -> None:
    tanh = nn.Tanh()
    model = nn.Sequential(nn.Linear(3, 4), tanh, nn.Linear(4, 5), tanh, nn.Sequential(nn.Linear(5, 6), tanh))
    adapted = adapt(model, scope, example_input=torch.ones(2, 3))
    slopes = dict(named_slopes(adapted))
    shapes = [(4,), (5,), (6,)] if scope == "neuron" else [(), (), ()]
    assert [(name, tuple(slope.shape)) for name, slope in slopes.items()] == list(
        zip(["1", "3", "4.1"], shapes, strict=True)
    )
    assert len({id(parameter(adapted.get_submodule(name))) for name in slopes}) == 3


class _Alias(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
        self.alias = self.block

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.block(x)
        return output


@pytest.mark.parametrize("example_input", [None, torch.ones(2, 3)], ids=["no_example", "example"])
def test_block_under_two_names_is_one_place(example_input: Tensor | None) -> None:
    adapted = adapt(_Alias(), example_input=example_input)
    assert adapted.block is adapted.alias
    assert [name for name, _ in named_slopes(adapted)] == ["block.1"]


def test_sites_that_are_adaptive_already_are_left_as_they_are() -> None:
    tanh = nn.Tanh()
    site = AdaptiveActivation(tanh, "neuron", 2, (3,))
    adapted = adapt(nn.Sequential(site, nn.Linear(3, 3), tanh), n=5, example_input=torch.ones(2, 3), inplace=True)
    assert adapted[0] is site
    assert site.activation is tanh
    assert not isinstance(tanh, AdaptiveActivation)
    assert [(name, tuple(slope.shape)) for name, slope in named_slopes(adapted)] == [("0", (3,)), ("2", ())]
    assert parameter(adapted[2]).item() == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("of_model", "of_slope"),
    [
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
    ],
)
@pytest.mark.parametrize("scope", ["global", "layer", "neuron"])
def test_slopes_take_float64_and_no_half_precision_from_the_model(
    scope: Scope, of_model: torch.dtype, of_slope: torch.dtype
) -> None:
    adapted = adapt(perceptron().to(of_model), scope, example_input=torch.ones(2, 3, dtype=of_model))
    sites = [module for module in adapted.modules() if isinstance(module, AdaptiveActivation)]
    assert {parameter(site).dtype for site in sites} == {of_slope}
    assert adapted(torch.ones(2, 3, dtype=of_model)).dtype == of_model


@pytest.mark.parametrize("scope", ["global", "layer", "neuron"])
def test_slopes_are_on_the_device_of_the_model(scope: Scope) -> None:
    adapted = adapt(perceptron().to("meta"), scope, example_input=torch.ones(2, 3, dtype=torch.float64, device="meta"))
    assert {slope.device.type for _, slope in named_slopes(adapted)} == {"meta"}


def test_model_without_parameters_gets_slopes_too() -> None:
    assert [slope.dtype for _, slope in named_slopes(adapt(nn.Sequential(nn.Tanh())))] == [torch.float32]


@pytest.mark.parametrize("scope", ["layer", "neuron"])
def test_squeezenet_of_torchvision_computes_the_same_with_a_slope_at_each_activation(scope: Scope) -> None:
    torch.manual_seed(0)
    model, x = torchvision.models.squeezenet1_1(num_classes=3).eval(), torch.rand(2, 3, 33, 33)
    adapted = adapt(model, scope, 10, example_input=x)
    assert len(list(named_slopes(adapted))) == sum(isinstance(module, nn.ReLU) for module in model.modules()) == 26
    torch.testing.assert_close(adapted(x), model(x))


@pytest.mark.parametrize("scope", ["layer", "neuron"])
def test_transformer_layer_has_its_slope_in_evaluation_mode_too(scope: Scope) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 8, activation=nn.GELU(), batch_first=True)
    x = torch.randn(2, 5, 4)
    adapted: Any = adapt(layer.eval(), scope, example_input=x)
    with torch.no_grad():
        torch.testing.assert_close(adapted(x), layer(x))
        parameter(adapted.activation).fill_(0.25)
        in_evaluation = adapted(x)
        assert not torch.allclose(in_evaluation, layer(x), atol=1e-3)
    torch.testing.assert_close(adapted(x), in_evaluation)
