"""Activations of other libraries are known by what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation, adapt
from laaf_lightning.activations.elementwise import MODULES
from laaf_lightning.activations.recording.behaviour import is_activation
from tests.activations.adapting.models import Quick
from tests.activations.adapting.test_adapt import ARGUMENTS
from tests.activations.adapting.test_equality import QuickInPlace


class Function(nn.Module):
    """A module of one expression."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, z: Tensor) -> Tensor:
        results: dict[str, Callable[[], Any]] = {
            "sine": lambda: torch.sin(30 * z),
            "squared": lambda: torch.relu(z).square(),
            "identity": lambda: z,
            "affine": lambda: 2 * z + 1,
            "softmax": lambda: z.softmax(-1),
            "normalised": lambda: (z - z.mean()) / z.std(),
            "cumulated": lambda: z.cumsum(0).tanh(),
            "random": lambda: torch.tanh(z + torch.rand_like(z)),
            "glu": lambda: z[..., : z.shape[-1] // 2] * torch.sigmoid(z[..., z.shape[-1] // 2 :]),
            "sum": lambda: z.tanh().sum(),
            "no tensor": lambda: (z.tanh(), z),
            "whole": lambda: z.tanh().round().long(),
        }
        output: Tensor = results[self.kind]()
        return output


class Trained(nn.Module):
    """An activation with a parameter of its own."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(size))

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.sigmoid(self.beta * z)


@pytest.mark.parametrize("kind", ["sine", "squared"])
def test_functions_of_each_element(kind: str) -> None:
    assert is_activation(Function(kind))
    assert is_activation(Function(kind).double())


@pytest.mark.parametrize(
    "kind",
    ["identity", "affine", "softmax", "normalised", "cumulated", "random", "glu", "sum", "no tensor", "whole"],
)
def test_what_is_none(kind: str) -> None:
    state = torch.get_rng_state()
    assert not is_activation(Function(kind))
    assert torch.equal(torch.get_rng_state(), state)


def test_modules_of_torch_go_by_its_list() -> None:
    assert all(is_activation(kind(*ARGUMENTS.get(kind.__name__, ()))) for kind in MODULES)
    others = [nn.Identity(), nn.Dropout(), nn.Softmax(-1), nn.LayerNorm(1), nn.BatchNorm1d(1), nn.Linear(1, 1)]
    assert not any(is_activation(module.eval()) for module in [*others, nn.Sequential(nn.Tanh()), nn.LPPool1d(1, 1)])


def test_with_parameters_only_scalars() -> None:
    assert is_activation(Trained(1))
    assert not is_activation(Trained(3))
    assert not is_activation(AdaptiveActivation("tanh"))


@pytest.mark.parametrize("activation", [Quick(), QuickInPlace(), Trained(1), Function("sine")])
def test_they_keep_class_settings_and_parameters(activation: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(3, 4), activation, nn.Linear(4, 1))
    adapted, x = adapt(model, n=2, example_input=torch.ones(2, 3)), torch.linspace(-1, 1, 6).reshape(2, 3)
    site = adapted[1]
    assert isinstance(site, AdaptiveActivation)
    assert isinstance(site, type(activation))
    assert adapted.load_state_dict(model.state_dict(), strict=False).unexpected_keys == []
    assert torch.equal(adapted(x), model(x))
    assert site.a is not None
    site.a.data.fill_(0.75)
    torch.testing.assert_close(adapted(x), model[2](activation(1.5 * model[0](x))))
    assert type(site.activation) is type(activation)
    adapted(x).sum().backward()
    assert all(p.grad is not None for p in adapted.parameters())


def test_attributes_that_foreign_code_reads_are_there() -> None:
    adapted = adapt(nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(0.2), nn.Linear(4, 4), nn.PReLU(4)))
    assert isinstance(adapted[1], nn.LeakyReLU)
    assert adapted[1].negative_slope == 0.2
    assert isinstance(adapted[3], nn.PReLU)
    assert adapted[3].num_parameters == 4
    assert repr(adapted[1]) == "LeakyReLU(negative_slope=0.2, scope=layer, n=1, shape=())"


def test_a_checkpoint_in_which_the_activation_was_wrapped_still_loads() -> None:
    adapted = adapt(nn.Sequential(nn.Linear(3, 4), nn.PReLU(4)))
    state = adapted.state_dict()
    older = {name.replace("1.weight", "1.activation.weight"): value + 1 for name, value in state.items()}
    older["1.n"] = state["1.n"]
    adapted.load_state_dict(older)
    assert torch.equal(adapted.get_parameter("1.weight"), torch.full((4,), 1.25))
