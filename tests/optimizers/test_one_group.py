"""Which optimisers take one parameter group only, without a look at what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer

from laaf_lightning.optimizers.one_group import all_parameters, takes_one_group_only
from laaf_lightning.optimizers.self_scaled_broyden import SelfScaledBroyden
from laaf_lightning.optimizers.sequential import SequentialOptimizer
from tests.optimizers.objectives import parameter

Factory = Callable[[Iterable[Any]], Optimizer]


class Wordless(SGD):
    """Takes one group, and says nothing that torch says."""

    def __init__(self, params: Iterable[Any], lr: float = 0.1) -> None:
        super().__init__(params, lr)
        if len(self.param_groups) > 1:
            raise ValueError("no")


class ListOnly(SGD):
    """Takes no groups at all, only parameters."""

    def __init__(self, params: Iterable[Any], lr: float = 0.1) -> None:
        listed = list(params)
        if not all(isinstance(entry, Tensor) for entry in listed):
            raise ValueError("tensors, please")
        super().__init__(listed, lr)


def lbfgs(params: Iterable[Any]) -> Optimizer:
    return LBFGS(params, max_iter=3)


ONE_GROUP: dict[str, Factory] = {
    "LBFGS": LBFGS,
    "partial": partial(LBFGS, lr=0.5),
    "lambda": lambda params: LBFGS(params, lr=0.5),
    "function": lbfgs,
    "SelfScaledBroyden": SelfScaledBroyden,
    "wordless": Wordless,
    "list_only": ListOnly,
}
GROUPS: dict[str, Factory] = {
    "Adam": Adam,
    "partial": partial(AdamW, lr=0.5),
    "lambda": lambda params: SGD(params, lr=0.5),
    "sequential": lambda params: SequentialOptimizer(params, [Adam, LBFGS], [1]),
    "sequential_of_one_group": lambda params: SequentialOptimizer(params, [LBFGS, SelfScaledBroyden], [1]),
}
if hasattr(torch.optim, "Muon"):
    GROUPS["Muon"] = torch.optim.Muon


def groups() -> list[dict[str, Any]]:
    return [{"params": [parameter([1.0, 2.0])]}, {"params": [parameter([3.0])], "weight_decay": 0.0}]


@pytest.mark.parametrize("name", ONE_GROUP)
def test_an_optimiser_of_one_group_is_known_whatever_it_says(name: str) -> None:
    factory = ONE_GROUP[name]
    with pytest.raises(ValueError, match=r".+"):
        factory(groups())
    assert takes_one_group_only(factory, groups())
    assert len(factory(all_parameters(groups())).param_groups) == 1


@pytest.mark.parametrize("name", GROUPS)
def test_an_optimiser_of_groups_is_none_of_them(name: str) -> None:
    assert not takes_one_group_only(GROUPS[name], groups())


def test_the_small_parameters_are_of_the_kind_of_the_real_ones() -> None:
    seen: list[Tensor] = []

    def factory(params: Iterable[Any]) -> Optimizer:
        seen.extend(all_parameters(list(params)))
        return SGD(seen)

    assert not takes_one_group_only(factory, groups())
    assert {p.dtype for p in seen} == {torch.float64}
    assert all(p.requires_grad for p in seen)


@pytest.mark.parametrize(
    "entries",
    [
        [{"params": [parameter([1.0])]}],
        [parameter([1.0]), parameter([2.0])],
        [("x", parameter([1.0])), ("y", parameter([2.0]))],
        [],
    ],
    ids=["one_group", "parameters", "named", "none"],
)
def test_fewer_than_two_groups_are_refused_for_another_reason(entries: list[Any]) -> None:
    def factory(params: Iterable[Any]) -> Optimizer:
        raise AssertionError("there is nothing to find out")

    assert not takes_one_group_only(factory, entries)


def test_a_parameter_in_two_groups_is_not_hidden_in_one_list() -> None:
    x = parameter([1.0])
    assert not takes_one_group_only(LBFGS, [{"params": [x]}, {"params": [x]}])


def test_named_parameters_in_groups_stay_named() -> None:
    named = [{"params": [("x", parameter([1.0]))]}, {"params": [("y", parameter([2.0]))]}]
    assert takes_one_group_only(LBFGS, named)
    assert [name for name, _ in all_parameters(named)] == ["x", "y"]
