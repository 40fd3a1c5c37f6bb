"""A model that is run to be looked at keeps all that its forward changes."""

from __future__ import annotations

import copy
import random
from collections import deque
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import activation_sites, adapt, named_slopes
from laaf_lightning.activations.recording.as_it_was import as_it_was

X = torch.linspace(-2, 2, 24).reshape(6, 4)


class Remembers(nn.Module):
    """Everything in which a forward may leave a trace."""

    average: Tensor
    first: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.act = nn.Linear(4, 4), nn.Tanh()
        self.register_buffer("average", torch.zeros(4))
        self.register_buffer("first", None)
        self.total, self.steps = torch.zeros(4), 0
        self.last: Tensor | None = None
        self.history: list[int] = []
        self.cache: dict[str, Tensor] = {}
        self.recent: deque[int] = deque(maxlen=2)
        self.seen: set[int] = set()
        self.noise = torch.Generator().manual_seed(3)

    def forward(self, x: Tensor) -> Tensor:
        self.average = 0.9 * self.average + 0.1 * x.mean(0)
        self.first = x
        self.total += x.sum(0)
        self.steps += 1
        h: Tensor = self.act(self.layer(x + torch.randn(x.shape, generator=self.noise)))
        self.last = h
        for kept in (self.history, self.recent):
            kept.append(self.steps)
        self.cache["h"] = h
        self.seen.add(self.steps)
        random.random()
        np.random.rand()  # noqa: NPY002
        torch.rand(())
        return h

    def state(self) -> list[Any]:
        numbers = [self.average.tolist(), self.total.tolist(), self.noise.get_state().tolist()]
        kept = [self.first, self.steps, self.last, [*self.history], dict(self.cache), [*self.recent], set(self.seen)]
        return [
            *numbers,
            *kept,
            random.getstate(),
            np.random.get_state(legacy=False)["state"]["pos"],  # noqa: NPY002
            torch.get_rng_state().tolist(),
        ]


def test_no_attribute_buffer_container_or_generator_moves() -> None:
    model = Remembers()
    before = model.state()
    activation_sites(model, X)
    assert model.state() == before
    assert before[-3:] == adapt(model, example_input=X).state()[-3:]
    assert adapt(model, example_input=X).state()[:-3] == before[:-3]


class NormalisesItsWeight(nn.Module):
    """A layer that rescales its own parameter in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.layer.weight.copy_(nn.functional.normalize(self.layer.weight))
                self.layer.bias.data.clamp_(-0.1, 0.1)
                torch.mul(self.layer.bias, 2, out=self.layer.bias)
        output: Tensor = self.act(self.layer(x))
        return output


def test_parameters_that_a_forward_writes_over_keep_their_values() -> None:
    model = NormalisesItsWeight()
    before = copy.deepcopy(model.state_dict())
    adapted = adapt(model, example_input=X)
    for now in (model.state_dict(), adapted.state_dict()):
        assert all(torch.equal(now[name], value) for name, value in before.items())


def test_buffer_that_takes_another_size_gets_its_own_back() -> None:
    layer = nn.Linear(4, 4)
    layer.register_buffer("seen", torch.empty(0))
    with as_it_was(layer):
        layer.get_buffer("seen").resize_(3).fill_(1.0)
    assert layer.get_buffer("seen").shape == (0,)


def test_batch_that_a_forward_writes_over_is_left_alone() -> None:
    x = X.clone()
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4))
    activation_sites(model, x)
    adapt(model, example_input=x)
    assert torch.equal(x, X)


class Counts(nn.Module):
    """Neither a layer nor an activation: something that looks at what passes."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.register_buffer("largest", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.get_buffer("largest").copy_(x.max())
        random.random()
        return x


@pytest.mark.parametrize("example", [None, X])
def test_module_that_is_tried_whether_it_is_an_activation_keeps_its_state(example: Tensor | None) -> None:
    counts, state = Counts(), random.getstate()
    activation_sites(nn.Sequential(nn.Linear(4, 4), counts, nn.ReLU()), example)
    assert (counts.calls, counts.get_buffer("largest").item(), random.getstate()) == (0, 0.0, state)


class Force(nn.Module):
    """A potential that gives its derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.requires_grad_()
        return torch.autograd.grad(torch.tanh(self.layer(x)).sum(), x, create_graph=True)[0]


def test_forward_that_differentiates_is_recorded() -> None:
    model = Force()
    adapted = adapt(model, example_input=X)
    assert [name for name, _ in named_slopes(adapted)] == ["adaptive_calls.tanh_1"]
    assert torch.equal(adapted(X.clone()), model(X.clone()))
