"""Activations that torch computes without a call that could be intercepted are named."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import activation_sites, adapt
from laaf_lightning.errors import ConfigurationError

X = torch.linspace(-2, 2, 24).reshape(6, 4)


def swish(z: Tensor) -> Tensor:
    return z * torch.sigmoid(z)


def scripted(function: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(function)


FUNCTIONS: dict[str, tuple[Callable[[], Callable[[Tensor], Tensor]], str]] = {
    "TorchScript": (lambda: scripted(swish), "sigmoid"),
    "scripted module": (lambda: scripted(nn.Sequential(nn.Linear(4, 4), nn.Tanh())), "inner.tanh"),
    "operator": (lambda: torch.ops.aten.relu, "relu"),
    "overload": (lambda: torch.ops.aten.gelu.default, "gelu"),
    "out": (lambda: lambda z: torch.tanh(z, out=torch.empty(0)), "tanh"),
}


class Calls(nn.Module):
    """A forward that calls it, and a function that is seen."""

    def __init__(self, inner: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.inner = nn.Linear(4, 4), inner

    def forward(self, x: Tensor) -> Tensor:
        return torch.selu(self.inner(self.layer(x)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_activation_that_is_called_past_python_is_named(name: str) -> None:
    make, site = FUNCTIONS[name]
    model = Calls(make())
    table = {site.name: site.left_out for site in activation_sites(model, X)}
    assert table.keys() == {site, "adaptive_calls.selu_1"}
    assert str(table[site]).startswith("called in a way that adapt does not see")
    with pytest.raises(ConfigurationError, match=rf"1 of 2 activations of Calls get no slope: {site} "):
        adapt(model, example_input=X, strict=True, inplace=True)


@pytest.mark.parametrize(
    "module",
    [nn.GRUCell(4, 4), nn.LSTM(4, 4), nn.MultiheadAttention(4, 2), nn.Softmax(-1), nn.GLU(), nn.LogSoftmax(-1)],
    ids=lambda module: type(module).__name__,
)
def test_what_torch_computes_within_its_own_layers_is_no_such_activation(module: nn.Module) -> None:
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, x: Tensor) -> Any:
            return self.module(*[x] * (3 if isinstance(self.module, nn.MultiheadAttention) else 1))

    recurrent = isinstance(module, (nn.RNNBase, nn.RNNCellBase))
    left_out = [site.left_out for site in activation_sites(Around(), X)]
    assert left_out == ["its activations are inside torch's kernel"] * recurrent
