from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from laaf_lightning.activations import (
    AdaptiveActivation,
    Operator,
    Reduction,
    adapt,
    recovery_at_zero,
    recovery_of,
    resolve_operator,
    slope_recovery,
)
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP, LeNet
from tests.activations.cases import Array, noise, parameter

OPERATORS: dict[str, tuple[Operator, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "exp": ("exp", np.exp, np.exp),
    "identity": ("identity", lambda m: m, np.ones_like),
    "softplus": ("softplus", lambda m: np.log1p(np.exp(m)), lambda m: 1 / (1 + np.exp(-m))),
    "callable": (torch.cosh, np.cosh, np.sinh),
}
REDUCTIONS: tuple[Reduction, ...] = ("mean", "sum")
SHAPES: list[tuple[int, ...]] = [(), (4,), (3, 1, 1), (2, 3, 4)]


def sites(n: float = 10.0) -> nn.Sequential:
    """Make sites of every shape, their parameters a anywhere between 0.5 and 1.5."""
    model = nn.Sequential(
        *(AdaptiveActivation("tanh", "neuron" if shape else "layer", n, shape or None) for shape in SHAPES)
    ).double()
    for k, site in enumerate(model):
        parameter(site).data.copy_(1 + noise(*SHAPES[k], seed=k) / 4)
    return model


def means_of(model: nn.Sequential) -> Array:
    return np.array([parameter(site).detach().numpy().mean() for site in model])


@pytest.mark.parametrize("n", [1.0, 10.0])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", OPERATORS)
def test_recovery_is_the_reciprocal_of_the_reduced_operator_of_site_means(
    name: str, reduction: Reduction, n: float
) -> None:
    operator, formula, _ = OPERATORS[name]
    model = sites(n)
    values = formula(means_of(model))
    got = slope_recovery(model, operator, reduction)
    assert got.shape == ()
    assert got.dtype == torch.float64
    assert got.item() == pytest.approx(1 / (values.mean() if reduction == "mean" else values.sum()), rel=1e-13)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", OPERATORS)
def test_gradient_of_recovery_is_its_closed_form(name: str, reduction: Reduction) -> None:
    operator, _, derivative = OPERATORS[name]
    model = sites()
    recovery = slope_recovery(model, operator, reduction)
    recovery.backward()
    share = len(SHAPES) if reduction == "mean" else 1
    for site, pull in zip(model, derivative(means_of(model)), strict=True):
        a = parameter(site)
        expected = torch.full_like(a, -(recovery.item() ** 2) * pull / share / a.numel())
        torch.testing.assert_close(a.grad, expected.detach(), rtol=1e-12, atol=0)


def test_recovery_passes_gradcheck_and_gradgradcheck() -> None:
    def of_parameters(*parameters: Any) -> torch.Tensor:
        return recovery_of(list(parameters), "exp", "mean")

    points = tuple(parameter(site).detach().requires_grad_() for site in sites())
    assert torch.autograd.gradcheck(of_parameters, points)
    assert torch.autograd.gradgradcheck(of_parameters, points)


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(["exp", "identity", "softplus"]),
    reduction=st.sampled_from(REDUCTIONS),
    site=st.integers(0, len(SHAPES) - 1),
    step=st.floats(1e-3, 2),
    data=st.data(),
)
def test_recovery_falls_in_every_slope(
    name: Any, reduction: Reduction, site: int, step: float, data: st.DataObject
) -> None:
    model = sites()
    flat = parameter(model[site]).data.view(-1)
    before = slope_recovery(model, name, reduction).item()
    flat[data.draw(st.integers(0, len(flat) - 1))] += step
    assert slope_recovery(model, name, reduction).item() < before


def test_neurons_of_a_large_site_weigh_as_much_as_one_slope() -> None:
    model = nn.Sequential(AdaptiveActivation("tanh"), AdaptiveActivation("tanh", "neuron", shape=(1000,))).double()
    parameter(model[0]).data.fill_(0.0)
    parameter(model[1]).data.fill_(1.0)
    assert slope_recovery(model).item() == pytest.approx(2 / (1 + math.e), rel=1e-14)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_global_slope_is_one_term_whatever_the_reduction(reduction: Reduction) -> None:
    plain = nn.Sequential(nn.Tanh(), nn.Tanh(), nn.Tanh())
    for model in (MLP(2, 1, depth=6, scope="global"), LeNet(scope="global"), adapt(plain, "global")):
        assert slope_recovery(model, reduction=reduction).item() == pytest.approx(math.exp(-1), rel=1e-6)


@pytest.mark.parametrize(("reduction", "expected"), [("mean", math.exp(-0.1)), ("sum", math.exp(-0.1) / 6)])
def test_recovery_of_the_burgers_network_at_its_start(reduction: Reduction, expected: float) -> None:
    for scope in ("layer", "neuron"):
        model = MLP(2, 1, width=20, depth=6, scope=scope, n=10)
        assert slope_recovery(model, reduction=reduction).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("operator", "mean"),
    [("exp", 1.0), ("identity", math.inf), ("softplus", 1 / math.log(2)), (torch.sigmoid, 2.0)],
    ids=["exp", "identity", "softplus", "callable"],
)
def test_recovery_at_zero_is_that_of_slopes_of_zero(operator: Operator, mean: float) -> None:
    model = sites()
    for site in model:
        parameter(site).data.zero_()
    for reduction, expected in (("mean", mean), ("sum", mean / len(SHAPES))):
        got = recovery_at_zero(len(SHAPES), operator, reduction)  # type: ignore[arg-type]
        assert got.dtype == torch.float64
        assert got.item() == pytest.approx(expected, rel=1e-15)
        assert got.item() == slope_recovery(model, operator, reduction).item()  # type: ignore[arg-type]


def test_slopes_of_different_precision_add_up() -> None:
    model = nn.Sequential(AdaptiveActivation("tanh"), AdaptiveActivation("tanh").double())
    assert slope_recovery(model).item() == pytest.approx(math.exp(-1), rel=1e-6)


@pytest.mark.parametrize("model", [nn.Linear(2, 2), MLP(2, 1, scope="fixed")], ids=["plain", "fixed"])
def test_model_without_slopes_is_refused(model: nn.Module) -> None:
    with pytest.raises(ConfigurationError, match=r"the model has no slopes; give it AdaptiveActivation .*adapt"):
        slope_recovery(model)


def test_unknown_operator_and_reduction_list_the_valid_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown operator 'expo': valid are exp, identity, softplus; did"):
        slope_recovery(sites(), "expo")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"unknown reduction 'average': valid are mean, sum"):
        slope_recovery(sites(), reduction="average")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"operator=3 is neither a callable nor one of exp, identity"):
        resolve_operator(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operator", "made"),
    [(torch.sum, r"shape \(\)"), (lambda m: m.tolist(), "list"), (lambda m: m[1:], r"shape \(3,\)")],
    ids=["reduces", "leaves_torch", "drops_one"],
)
def test_operator_that_is_not_elementwise_is_refused(operator: Any, made: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"is not elementwise: it makes {made} of 4 means"):
        slope_recovery(sites(), operator)
