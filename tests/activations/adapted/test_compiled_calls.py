"""Calls of functions have their slopes under torch.compile and torch.export, however the function is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laaf_lightning.activations import AdaptiveActivation, adapt
from laaf_lightning.activations.replay.noted import notes_of
from laaf_lightning.activations.replay.repeated import adapt_as_noted

X = torch.linspace(-2, 2, 24).reshape(6, 4)

# Those of which torch.compile leaves out the settings that are defaults, and those that it does not show at all.
DEFAULTS: list[Callable[[Tensor], Tensor]] = [F.leaky_relu, F.elu, F.celu, F.hardtanh, F.softplus, F.hardshrink]
HIDDEN: list[Callable[[Tensor], Tensor]] = [F.tanh, F.sigmoid, F.hardswish, F.hardsigmoid, torch.relu_, torch.tanh_]


class Calls(nn.Module):
    """One function, beside one that is always shown."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.function = nn.Linear(4, 4), function

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.function(torch.sin(self.layer(x))))  # type: ignore[no-any-return]


class Around(nn.Module):
    """A loop that calls nothing but such a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.calls, self.function = Calls(function), function

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = self.function(1 * self.calls(x))
        return x


def moved(model: nn.Module, **settings: Any) -> nn.Module:
    adapted = adapt(model, example_input=X, **settings)
    for module in adapted.modules():
        if isinstance(module, AdaptiveActivation) and module.a is not None:
            module.a.data.fill_(1.5)
    return adapted


@pytest.mark.slow
@pytest.mark.parametrize("function", DEFAULTS, ids=lambda function: function.__name__)
def test_settings_that_are_defaults_make_no_difference(function: Callable[[Tensor], Tensor]) -> None:
    torch._dynamo.reset()
    adapted = moved(Calls(function))
    torch.testing.assert_close(torch.compile(adapted, backend="eager", fullgraph=True)(X), adapted(X))


@pytest.mark.slow
@pytest.mark.parametrize("share_loops", [True, False])
@pytest.mark.parametrize("function", HIDDEN, ids=lambda function: function.__name__)
def test_function_that_is_not_shown_runs_as_it_stands(function: Callable[[Tensor], Tensor], share_loops: bool) -> None:
    torch._dynamo.reset()
    adapted = moved(Around(function), share_loops=share_loops)
    again = Around(function)
    adapt_as_noted(again, notes_of(adapted) or {})
    again.load_state_dict(adapted.state_dict())
    expected = adapted(X)
    for each in (adapted, again):
        torch.testing.assert_close(torch.compile(each, backend="eager")(X), expected)
    torch.testing.assert_close(torch.export.export(adapted, (X,)).module()(X), expected)
