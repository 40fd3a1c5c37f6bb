from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from laaf_lightning.activations import SCOPES, Scope, named_slopes, slope_parameter_groups
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP, LeNet
from tests.activations.cases import parameter

Build = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


@pytest.mark.parametrize("scope", SCOPES)
def test_groups_hold_every_parameter_once_and_the_slopes_apart(scope: Scope) -> None:
    for model in (MLP(2, 1, depth=3, scope=scope), LeNet(image_size=16, hidden=5, scope=scope)):
        groups = slope_parameter_groups(model)
        grouped = [p for group in groups for p in group["params"]]
        assert len(grouped) == len(set(grouped))
        assert set(grouped) == set(model.parameters())
        slopes = {p for name, p in model.named_parameters() if name.endswith(".a")}
        assert len(slopes) == {"fixed": 0, "global": 1}.get(scope, 3)
        assert len(groups) == (2 if slopes else 1)
        assert not slopes or set(groups[1]["params"]) == slopes


def test_keys_are_there_only_where_given_and_slopes_never_decay() -> None:
    model = MLP(2, 1)
    weights, slopes = slope_parameter_groups(model)
    assert set(weights) == {"params"}
    assert {k: v for k, v in slopes.items() if k != "params"} == {"weight_decay": 0.0}
    weights, slopes = slope_parameter_groups(model, weight_decay=0.1, slope_lr=0.5)
    assert {k: v for k, v in weights.items() if k != "params"} == {"weight_decay": 0.1}
    assert {k: v for k, v in slopes.items() if k != "params"} == {"weight_decay": 0.0, "lr": 0.5}
    weights, slopes = slope_parameter_groups(model, weight_decay=0.0, slope_lr=0.0)
    assert weights["weight_decay"] == slopes["lr"] == 0.0


@pytest.mark.parametrize(
    "build",
    [
        torch.optim.AdamW,
        lambda groups: torch.optim.AdamW(groups, lr=0.1, weight_decay=0.5),
        lambda groups: torch.optim.SGD(groups, lr=0.1, weight_decay=0.5),
        lambda groups: torch.optim.Adam(groups, lr=0.1, weight_decay=0.5),
    ],
    ids=["adamw_by_default", "adamw", "sgd", "adam"],
)
@pytest.mark.parametrize("scope", ["global", "layer", "neuron"])
def test_weight_decay_leaves_slopes_without_gradient_unchanged_and_shrinks_weights(scope: Scope, build: Build) -> None:
    model = MLP(2, 1, width=5, depth=2, scope=scope, n=10)
    for p in model.parameters():
        p.data.abs_().add_(0.1)
        p.grad = torch.zeros_like(p)
    slopes = [slope.detach().clone() for _, slope in named_slopes(model)]
    weights = [linear.weight.detach().clone() for linear in model.linears if isinstance(linear, nn.Linear)]
    optimizer = build(slope_parameter_groups(model))
    for _ in range(3):
        optimizer.step()
    assert all(torch.equal(now, was) for (_, now), was in zip(named_slopes(model), slopes, strict=True))
    for linear, was in zip(model.linears, weights, strict=True):
        assert isinstance(linear, nn.Linear)
        assert (linear.weight < was).all()


def test_learning_rate_of_slopes_is_their_own() -> None:
    model = MLP(2, 1, depth=2)
    optimizer = torch.optim.SGD(slope_parameter_groups(model, slope_lr=0.25), lr=0.01)
    for p in model.parameters():
        p.data.fill_(1.0)
        p.grad = torch.ones_like(p)
    optimizer.step()
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), torch.full_like(p, 0.75 if name.endswith(".a") else 0.99))


def test_frozen_parameters_are_left_out() -> None:
    model = MLP(2, 1, depth=2)
    model.linears.requires_grad_(False)
    parameter(model.activations[0]).requires_grad_(False)
    (slopes,) = slope_parameter_groups(model)
    assert slopes["params"] == [parameter(model.activations[1])]
    assert slopes["weight_decay"] == 0.0
    model.requires_grad_(False)
    assert slope_parameter_groups(model) == []


@pytest.mark.parametrize("name", ["weight_decay", "slope_lr"])
@pytest.mark.parametrize("value", [-1e-9, -1, math.nan, math.inf, "high", True, [1]])
def test_settings_that_are_no_rates_are_refused(name: str, value: Any) -> None:
    text = re.escape(f"{name}={value!r} must be a finite number >= 0, or None for the optimiser's")
    with pytest.raises(ConfigurationError, match=text):
        slope_parameter_groups(MLP(2, 1), **{name: value})
