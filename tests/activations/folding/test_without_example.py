"""Without an example only those slopes go into weights whose every call is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from tests.activations.folding.models import Net, adapted, folded, moved

X = torch.linspace(-2, 2, 24, dtype=torch.float64).reshape(6, 4)


def test_without_an_example_only_neighbours_in_a_sequence_fold() -> None:
    start = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    body = nn.Sequential(*start, nn.Linear(36, 4), nn.Tanh())
    maps = torch.sin(torch.arange(2 * 3 * 64, dtype=torch.float64)).reshape(2, 3, 8, 8)
    model = adapted(nn.Sequential(body, nn.Linear(4, 4), nn.ReLU()).double(), maps, "channel")
    result, report = folded(model)
    assert {site.name: site.layer for site in report} == {"0.2": "0.1", "0.6": "0.5", "2": "1"}
    torch.testing.assert_close(result(maps), model(maps))


PARTLY: dict[str, Callable[[Any, Tensor], Any]] = {
    "a layer alone": lambda net, x: net.body(x) + net.body[0](x),
    "one by one": lambda net, x: net.body[1](net.body[0](x) + 1),
    "a slice": lambda net, x: net.body[1:](h := net.body[:1](x)) + h,
    "its own forward": lambda net, x: net.act(net.a(net.body(x))),
}


@pytest.mark.parametrize("name", PARTLY)
def test_without_an_example_a_sequence_within_another_module_keeps_its_slopes(name: str) -> None:
    body = nn.Sequential(nn.Linear(4, 4), AdaptiveActivation("tanh"))
    model = moved(Net(PARTLY[name], body=body))
    result, report = folded(model)
    assert {site.kept for site in report} == {"no example_input tells what stands before it"}
    torch.testing.assert_close(result(X), model(X))


def test_without_an_example_a_hook_before_a_site_keeps_its_slope() -> None:
    model = moved(nn.Sequential(nn.Linear(4, 4), AdaptiveActivation("tanh")))
    model[1].register_forward_pre_hook(lambda _m, inputs: inputs[0] + 1)
    result, (site,) = folded(model)
    assert site.kept == "a hook of 1 sees a value before it"
    torch.testing.assert_close(result(X), model(X))
