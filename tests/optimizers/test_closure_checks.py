from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.optimizers.closure_checks import GradientWatch, ValueWatch, loss_in
from tests.optimizers.objectives import parameter


def test_a_loss_is_one_number_however_it_is_given() -> None:
    for given in (2, 2.0, np.float32(2), torch.tensor(2.0), torch.tensor([[2]]), parameter([2.0]).sum()):
        assert loss_in(given, "LBFGS") == 2.0


@pytest.mark.parametrize(
    ("given", "shown"), [(None, "None"), ("x", "'x'"), ({}, r"\{\}"), (torch.zeros(3), r"a tensor of shape \(3,\)")]
)
def test_what_is_no_loss_is_refused_with_how_to_return_one(given: Any, shown: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"^the closure of LBFGS.step\(\) returned {shown}: .*; return loss; "
    ):
        loss_in(given, "LBFGS")


def backward(x: Tensor) -> None:
    x.sum().backward()


def backward_of_zero_gradients(x: Tensor) -> None:
    x.grad = torch.zeros_like(x)
    (0 * x).sum().backward()


def by_hand(x: Tensor) -> None:
    x.grad = torch.zeros_like(x)


def in_place(x: Tensor) -> None:
    assert x.grad is not None
    x.grad.fill_(3.0)


def nothing(x: Tensor) -> None:
    x.sum()


def cleared(x: Tensor) -> None:
    x.grad = None


def cleared_in_place(x: Tensor) -> None:
    if x.grad is not None:
        x.grad.zero_()


def of_another(x: Tensor) -> None:
    backward(parameter([1.0]))


@pytest.mark.parametrize(
    ("closure", "computes"),
    [
        *[(closure, True) for closure in (backward, backward_of_zero_gradients, by_hand, in_place)],
        *[(closure, False) for closure in (nothing, cleared, cleared_in_place, of_another)],
    ],
)
@pytest.mark.parametrize("has_old_gradient", [True, False])
def test_gradients_count_where_they_are_computed_not_where_they_are_left(
    closure: Callable[[Tensor], None], computes: bool, has_old_gradient: bool
) -> None:
    x = parameter([1.0, 2.0])
    if has_old_gradient or closure is in_place:
        x.grad = torch.ones_like(x)
    with GradientWatch([x]) as watch:
        closure(x)
    assert watch.saw_gradients is computes
    assert not x._post_accumulate_grad_hooks
    if computes:
        watch.refuse_none("Adam")
        return
    with pytest.raises(
        ConfigurationError, match=r"^the closure of Adam.step\(\) computed no gradient .*loss.backward\(\)"
    ):
        watch.refuse_none("Adam")


def test_one_parameter_with_a_gradient_is_enough_and_frozen_ones_do_not_count() -> None:
    x, unused, frozen = parameter([1.0]), parameter([1.0]), torch.ones(1)
    with GradientWatch([frozen, unused, x]) as watch:
        backward(x)
    assert watch.saw_gradients
    with GradientWatch([frozen]) as of_none:
        pass
    of_none.refuse_none("Adam")


def test_a_closure_that_fails_leaves_no_hook() -> None:
    x = parameter([1.0])
    with pytest.raises(ZeroDivisionError), GradientWatch([x]):
        _ = 1 / 0
    assert not x._post_accumulate_grad_hooks


def test_a_value_that_stays_is_never_asked_for_again_and_one_that_changes_ever_more_rarely() -> None:
    watch = ValueWatch()
    assert not watch.asks_again(5.0, 1e-8)  # nothing is known of it yet
    watch.note(1.0)
    assert not watch.asks_again(1.0 + 1e-12, 1e-8)
    assert [number for number in range(1, 40) if watch.asks_again(2.0, 1e-8)] == [1, 2, 4, 8, 16, 32]
