from __future__ import annotations

import weakref
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from laaf_lightning.derivatives import KnownFactors
from laaf_lightning.solutions.chunks import sum_in_chunks
from tests.solutions.equations import (
    EQUATIONS,
    RESIDUAL_POINTS,
    assert_same,
    loss_and_gradients,
    pinn_of,
    points_of,
)

SIZES = (1, 5, 6, RESIDUAL_POINTS, 100)


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_chunks_of_any_size_give_the_same_loss_and_gradients(name: str, engine: Any) -> None:
    problem = EQUATIONS[name]
    batch = points_of(problem)
    expected = loss_and_gradients(pinn_of(problem, engine=engine), batch)
    for size in SIZES:
        assert_same(loss_and_gradients(pinn_of(problem, engine=engine, chunk_size=size), batch), expected)


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 20), size=st.integers(1, 25))
def test_sum_is_over_all_points_once_and_no_part_is_larger_than_asked_for(count: int, size: int) -> None:
    points = torch.rand(count, 2, dtype=torch.float64)
    unused = nn.Parameter(torch.zeros(3))
    known = KnownFactors.at(points, ["x", "t"], [], offset=torch.sin, factor=torch.cos)
    weight = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))
    sizes = []

    def total(points: Tensor, known: KnownFactors | None) -> Tensor:
        assert known is not None
        assert torch.equal(known.offset[0], points.sin())
        sizes.append(len(points))
        return (weight * points + known.factor[0]).square().sum()

    value = sum_in_chunks(total, points, known, size, [weight, unused])
    torch.testing.assert_close(value, (weight * points + points.cos()).square().sum())
    assert sum(sizes) == count
    assert max(sizes) <= size
    (3 * value).backward()
    expected = (2 * (2 * points + points.cos()) * points).sum()
    torch.testing.assert_close(weight.grad, 3 * expected)
    assert unused.grad is None or not unused.grad.any()
    assert sum(sizes) == count  # each chunk is gone through once


class _Kept:
    """Counts the numbers that autograd keeps for backward passes and has not let go of."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def __call__(self, tensor: Tensor) -> Tensor:
        held = tensor.detach()
        self.now += held.numel()
        self.most = max(self.most, self.now)
        weakref.finalize(held, self.let_go, held.numel())
        return held

    def let_go(self, numbers: int) -> None:
        self.now -= numbers


@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_one_chunk_at_a_time_is_kept_for_the_backward_pass(engine: Any) -> None:
    problem = EQUATIONS["burgers"]
    batch = points_of(problem)._replace(residual_points=torch.rand(400, 2, dtype=torch.float64))

    def most(size: int | None) -> int:
        kept = _Kept()
        with torch.autograd.graph.saved_tensors_hooks(kept, lambda tensor: tensor):
            pinn_of(problem, engine=engine, chunk_size=size).loss(batch).backward()
        assert kept.now == 0
        return kept.most

    assert most(40) < most(None) / 5


def test_evaluation_without_gradients_takes_chunks_too() -> None:
    problem = EQUATIONS["heat"]
    batch = points_of(problem)
    with torch.no_grad():
        assert_same(pinn_of(problem, chunk_size=5).loss(batch), pinn_of(problem).loss(batch))


def test_frozen_parameters_stay_without_gradient() -> None:
    problem = EQUATIONS["inverse burgers"]
    model = pinn_of(problem, chunk_size=5)
    model.network.requires_grad_(False)
    model.loss(points_of(problem)).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is not None] == [
        "coefficients.viscosity"
    ]


def test_gradients_of_one_loss_can_be_taken_again_and_again() -> None:
    problem = EQUATIONS["heat"]
    batch = points_of(problem)
    whole, chunked = (pinn_of(problem, chunk_size=size) for size in (None, 5))
    differentiate = partial(torch.autograd.grad, allow_unused=True, materialize_grads=True)
    expected = differentiate(whole.loss_terms(batch)["residual"], list(whole.network.parameters()))
    term = chunked.loss_terms(batch)["residual"]
    for _ in range(2):
        gradients = differentiate(2 * term, list(chunked.network.parameters()), retain_graph=True)
        assert_same(gradients, tuple(2 * gradient for gradient in expected))
