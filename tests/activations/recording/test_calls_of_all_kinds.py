"""Calls whose surroundings change what a slope may do."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import activation_sites, adapt, named_slopes
from laaf_lightning.activations.product.scaled import FEWEST_KEPT
from laaf_lightning.activations.replay.noted import notes_of
from laaf_lightning.activations.replay.repeated import adapt_as_noted
from laaf_lightning.errors import ConfigurationError

X = torch.linspace(-2, 2, 24).reshape(6, 4)


class Swish(torch.autograd.Function):
    """A function that keeps less than torch does, with its gradient written down."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z * torch.sigmoid(z)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        s = torch.sigmoid(z)
        gradient: Tensor = g * s * (1 + z * (1 - s))
        return gradient


class SwishModule(nn.Module):
    """The same as a module."""

    def forward(self, z: Tensor) -> Any:
        return Swish.apply(z)


class OwnGradient(nn.Module):
    """A forward that calls it, beside a function of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layer(Swish.apply(self.layer(x))))


def test_call_within_a_function_with_its_own_gradient_is_left_out() -> None:
    model = OwnGradient()
    with pytest.warns(UserWarning, match=r"sigmoid_1 \(sigmoid\): within a torch.autograd.Function, whose gradient"):
        adapted = adapt(model, example_input=X)
    assert torch.equal(adapted(X), model(X))
    assert [name for name, _ in named_slopes(adapted)] == ["adaptive_calls.tanh_1"]


def test_module_of_such_a_function_gets_a_slope_with_a_gradient() -> None:
    adapted = adapt(nn.Sequential(nn.Linear(4, 4), SwishModule()), example_input=X)
    z = adapted[0](X).detach()
    (gradient,) = torch.autograd.grad(adapted[1](z).sum(), adapted[1].a)  # type: ignore[arg-type]
    s = torch.sigmoid(z)
    torch.testing.assert_close(gradient, (z * s * (1 + z * (1 - s))).sum())


class GatesItself(nn.Module):
    """What an activation was given is written over afterwards, which torch's own functions allow."""

    def __init__(self, gate: nn.Module | None = None) -> None:
        super().__init__()
        self.layer, self.gate = nn.Linear(4, 4), gate

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.layer(x)
        h.mul_(torch.sigmoid(h) if self.gate is None else self.gate(h))
        y = h.relu()
        h += 1
        return y * h


@pytest.mark.parametrize("rows", [6, FEWEST_KEPT])
@pytest.mark.parametrize("gate", [None, nn.Sigmoid()])
def test_argument_that_is_written_over_afterwards_has_its_gradient(gate: nn.Module | None, rows: int) -> None:
    x = X[:1].expand(rows, 4).contiguous()
    model = GatesItself(gate).double()
    adapted = adapt(model, example_input=x.double())
    again = copy.deepcopy(model)
    adapt_as_noted(again, notes_of(adapted) or {})
    model(x.double()).sum().backward()
    for each in (adapted, again):
        for _, parameter in each.named_parameters():
            parameter.grad = None
        each(x.double()).sum().backward()
        torch.testing.assert_close(each.layer.weight.grad, model.layer.weight.grad)
        assert all(p.grad is not None for name, p in each.named_parameters() if name.endswith(".a"))


class CallsForward(nn.Module):
    """A module whose forward is called by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.act = nn.Linear(4, 4), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act.forward(self.layer(x))


def test_module_whose_forward_is_called_by_name_counts_as_called() -> None:
    assert [(site.name, site.left_out) for site in activation_sites(CallsForward(), X)] == [
        ("adaptive_calls.relu_1", None)
    ]


class Complex(nn.Module):
    """A complex network that calls a function."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.complex(torch.eye(4), torch.eye(4)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.weight)


def test_function_of_complex_numbers_gets_a_slope() -> None:
    model, z = Complex(), torch.complex(X, -X)
    adapted = adapt(model, example_input=z)
    assert torch.equal(adapted(z), model(z))
    adapted(z).abs().sum().backward()
    gradients = [p.grad for name, p in adapted.named_parameters() if name.endswith(".a")]
    assert [gradient is not None and gradient != 0 for gradient in gradients] == [True]


@pytest.mark.parametrize("strict", [True, False])
def test_only_such_a_call_is_refused(strict: bool) -> None:
    class Only(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return Swish.apply(x) + 1

    with pytest.raises(ConfigurationError, match=r"within a torch\.autograd\.Function"):
        adapt(Only(), example_input=X, strict=strict)


class GELU(nn.Module):
    """A library's own class around one function of torch."""

    def forward(self, z: Tensor) -> Tensor:
        return nn.functional.gelu(z)


class Louder(GELU):
    """The same with something after it."""

    def forward(self, z: Tensor) -> Tensor:
        return 2 * super().forward(z)


class Twice(nn.Module):
    """An activation that is called twice, in the module tree or not."""

    def __init__(self, act: nn.Module, *, outside: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.acts: Any = [act] if outside else nn.ModuleList([act])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.acts[0](self.layer(self.acts[0](self.layer(x))))
        return y


@pytest.mark.parametrize("outside", [True, False])
def test_foreign_class_around_one_function_is_that_function(outside: bool) -> None:
    model = Twice(GELU(), outside=outside)
    adapted = adapt(model, example_input=X, strict=True)
    assert [name for name, _ in named_slopes(adapted)] == ["adaptive_calls.gelu_1", "adaptive_calls.gelu_2"]
    assert torch.equal(adapted(X), model(X))
    with pytest.raises(ConfigurationError, match=r"Louder\): (called 2 times|held outside)"):
        adapt(Twice(Louder(), outside=outside), example_input=X)
