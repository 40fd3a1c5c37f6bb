from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives.module_state import NetworkState, has_hook


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.Sequential(AdaptiveActivation("tanh")), nn.Linear(3, 1))


def _other_function(net: Any) -> None:
    net[1][0].activation = torch.sigmoid


CHANGES: dict[str, Callable[[Any], object]] = {
    "a layer": lambda net: net.__setitem__(2, nn.Linear(3, 1)),
    "a layer within a layer": lambda net: net[1].__setitem__(0, nn.Tanh()),
    "one more": lambda net: net.append(nn.Tanh()),
    "one less": lambda net: net.__delitem__(2),
    "the function of an activation": _other_function,
    "precision": lambda net: net.double(),
    "a hook": lambda net: net[0].register_forward_hook(print),
    "a hook before": lambda net: net[0].register_forward_pre_hook(print),
    "a hook backwards": lambda net: net[1][0].register_full_backward_hook(print),
    "a hook before backwards": lambda net: net.register_full_backward_pre_hook(print),
    "a parametrization": lambda net: nn.utils.parametrizations.weight_norm(net[0]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_part_is_noticed(change: str) -> None:
    net = network()
    state = NetworkState(net)
    assert state.is_that_of(net)
    CHANGES[change](net)
    assert not state.is_that_of(net)
    assert NetworkState(net).is_that_of(net)


def test_training_changes_nothing_of_a_networks_build() -> None:
    net = network()
    state = NetworkState(net)
    net.eval()
    torch.optim.SGD(net.parameters(), lr=0.1).step()
    net.load_state_dict(network().state_dict())
    next(net.parameters()).requires_grad_(False)
    assert state.is_that_of(net)


def test_a_copy_made_together_with_its_network_notices_changes_of_the_copy() -> None:
    net = network()
    state: NetworkState
    twin: Any
    state, twin = copy.deepcopy((NetworkState(net), net))
    assert state.is_that_of(twin)
    assert not state.is_that_of(net)
    twin[1][0] = nn.Tanh()
    assert not state.is_that_of(twin)


def test_torch_keeps_hooks_and_parts_where_they_are_looked_for() -> None:
    for register in ("forward_pre_hook", "forward_hook", "full_backward_pre_hook", "full_backward_hook"):
        net = network()
        assert not has_hook(net)
        handle = getattr(net, f"register_{register}")(print)
        assert has_hook(net)
        handle.remove()
        assert not has_hook(net)
    assert vars(net)["_modules"] == dict(net.named_children())
