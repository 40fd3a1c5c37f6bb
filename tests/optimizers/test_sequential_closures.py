"""What `SequentialOptimizer` asks of a closure, whichever optimiser is at work."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import LBFGS, SGD, Adam

from laaf_lightning import SelfScaledBroyden, SequentialOptimizer
from laaf_lightning.errors import ConfigurationError
from tests.optimizers.objectives import closure_of, parameter, rosenbrock

START = [-1.2, 1.0, 0.5]


def job(*kinds: Any, steps: int = 2) -> tuple[Tensor, SequentialOptimizer, Callable[[], Tensor]]:
    x = parameter(START)
    optimizer = SequentialOptimizer([x], [*kinds], [steps] * (len(kinds) - 1))
    return x, optimizer, closure_of(optimizer, lambda: rosenbrock(x))


@pytest.mark.parametrize("kind", [Adam, SGD, LBFGS, SelfScaledBroyden])
@pytest.mark.parametrize("is_last", [False, True])
def test_a_closure_without_a_backward_pass_is_refused_at_a_stages_first_step(kind: Any, is_last: bool) -> None:
    x, optimizer, closure = job(*((Adam, kind) if is_last else (kind, LBFGS)))
    for _ in range(2 * is_last):
        optimizer.step(closure)
    before, taken = x.tolist(), optimizer.steps_taken
    with pytest.raises(
        ConfigurationError, match=rf"^the closure of {kind.__name__}.step\(\) computed no gradient of any"
    ):
        optimizer.step(lambda: rosenbrock(x))
    assert (x.tolist(), optimizer.steps_taken) == (before, taken)


@pytest.mark.parametrize("kind", [LBFGS, SelfScaledBroyden])
def test_a_stage_that_needs_the_loss_says_so(kind: Any) -> None:
    x, optimizer, closure = job(kind, Adam)
    with pytest.raises(
        ConfigurationError, match=rf"^the closure of {kind.__name__}.step\(\) returned None: it must return"
    ):
        optimizer.step(lambda: closure() and None)
    assert x.tolist() == START


def test_a_stage_that_needs_no_loss_leaves_out_a_batch_without_one() -> None:
    x, optimizer, closure = job(Adam, LBFGS, steps=3)
    assert optimizer.step(lambda: None) is None
    assert x.tolist() == START
    with pytest.raises(ConfigurationError, match="computed no gradient"):  # it still looks
        optimizer.step(lambda: rosenbrock(x))
    optimizer.step(closure)
    assert x.tolist() != START


def test_watching_changes_nothing_and_ends_after_a_stages_first_step() -> None:
    x, optimizer, closure = job(Adam, LBFGS)
    y = parameter(START)
    by_hand: list[Any] = [Adam([y]), LBFGS([y])]
    for stage in (0, 0, 1, 1):
        optimizer.step(closure)
        by_hand[stage].step(closure_of(by_hand[stage], lambda: rosenbrock(y)))
        assert torch.equal(x, y)
        assert optimizer._checked is optimizer.stages[stage]
    assert not x._post_accumulate_grad_hooks


def test_a_copy_looks_again() -> None:
    _, optimizer, closure = job(Adam, SGD)
    optimizer.step(closure)
    again = copy.deepcopy(optimizer)
    (x,) = again.param_groups[0]["params"]
    with pytest.raises(ConfigurationError, match=r"^the closure of Adam.step\(\) computed no gradient"):
        again.step(lambda: rosenbrock(x))
