from __future__ import annotations

import torch
from torch import nn

from laaf_lightning.solutions.known_gradients import flattened, with_gradients


def test_gradients_are_the_given_ones_times_what_comes_from_outside() -> None:
    parameters = [nn.Parameter(torch.rand(2, 3)), nn.Parameter(torch.rand(())), nn.Parameter(torch.rand(2).double())]
    rows = torch.arange(18, dtype=torch.float64).reshape(2, 9)
    first, second = with_gradients(torch.tensor([5.0, 7.0]), rows, parameters)
    assert (first.item(), second.item()) == (5.0, 7.0)
    gradients = torch.autograd.grad(2 * first - 3 * second, parameters)
    assert [(g.shape, g.dtype) for g in gradients] == [(p.shape, p.dtype) for p in parameters]
    assert torch.equal(flattened([g.double() for g in gradients]), 2 * rows[0] - 3 * rows[1])


def test_a_value_that_no_one_asks_for_adds_nothing() -> None:
    parameter = nn.Parameter(torch.ones(2))
    first, _ = with_gradients(torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 4.0], [5.0, 6.0]]), [parameter])
    first.backward()
    assert parameter.grad is not None
    assert parameter.grad.tolist() == [3.0, 4.0]
