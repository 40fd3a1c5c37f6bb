from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.activations.elementwise import FUNCTIONS, MODULES
from laaf_lightning.derivatives import Differentiable, rule_of, vanishing_order
from tests.activations.cases import noise
from tests.derivatives.cases import ACTIVATIONS, Steep, nested_derivatives

MODULE_OF: dict[str, nn.Module] = {
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "softplus": nn.Softplus(),
    "silu": nn.SiLU(),
    "gelu": nn.GELU(),
    "identity": nn.Identity(),
}
ARGUMENTS: dict[str, tuple[float, ...]] = {"Threshold": (0.1, -0.5)}


def derivatives(activation: object, z: Tensor, order: int) -> list[Tensor]:
    rule = rule_of(activation)
    assert rule is not None
    return list(rule(z, order))


def sech(z: Tensor) -> Tensor:
    return 2 / (torch.exp(z) + torch.exp(-z))


def logistic(z: Tensor, k: int) -> Tensor:
    """The k-th derivative of 1/(1 + q), q = e⁻ᶻ, by the Eulerian numbers: Σ (−1)ʲ ⟨k, j⟩ qᵏ⁻ʲ/(1 + q)ᵏ⁺¹."""
    eulerian = {0: [1], 1: [1], 2: [1, 1], 3: [1, 4, 1], 4: [1, 11, 11, 1]}[k]
    q = torch.exp(-z)
    numerator = [(-1) ** j * number * q ** (k - j) for j, number in enumerate(eulerian)]
    return torch.stack(numerator).sum(0) / (1 + q) ** (k + 1)


def hermite_density(z: Tensor, k: int) -> Tensor:
    """The k-th derivative of the standard normal density, (−1)ᵏ Heₖ(z) φ(z)."""
    polynomial = torch.as_tensor(np.polynomial.hermite_e.hermeval(z.numpy(), [0] * k + [1]))
    return (-1.0) ** k * polynomial * torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)


CLOSED_FORMS: dict[str, Callable[[Tensor], list[Tensor]]] = {
    "tanh": lambda z: [
        torch.sinh(z) / torch.cosh(z),
        sech(z) ** 2,
        -2 * torch.sinh(z) * sech(z) ** 3,
        (4 * torch.sinh(z) ** 2 - 2) * sech(z) ** 4,
        (16 * torch.sinh(z) - 8 * torch.sinh(z) ** 3) * sech(z) ** 5,
    ],
    "sin": lambda z: [torch.sin(z + k * np.pi / 2) for k in range(5)],
    "sigmoid": lambda z: [logistic(z, k) for k in range(5)],
    "softplus": lambda z: [torch.log(1 + torch.exp(z)), *(logistic(z, k) for k in range(4))],
    "silu": lambda z: [z * logistic(z, 0), *(k * logistic(z, k - 1) + z * logistic(z, k) for k in range(1, 5))],
    "gelu": lambda z: [
        z * torch.special.ndtr(z),
        torch.special.ndtr(z) + z * hermite_density(z, 0),
        *((k * hermite_density(z, k - 2) + z * hermite_density(z, k - 1)) for k in range(2, 5)),
    ],
    "identity": lambda z: [z, torch.ones_like(z), *(torch.zeros_like(z) for _ in range(3))],
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_rules_equal_their_closed_form(name: str) -> None:
    z = 2 * noise(60)
    for got, expected in zip(derivatives(FUNCTIONS[name], z, 4), CLOSED_FORMS[name](z), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_rules_equal_nested_autograd(name: str) -> None:
    z = 3 * noise(60)
    expected = nested_derivatives(FUNCTIONS[name], z, 4)
    for got, value in zip(derivatives(FUNCTIONS[name], z, 4), expected, strict=True):
        torch.testing.assert_close(got, value, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_lower_orders_are_the_beginning_of_higher_ones(name: str, order: int) -> None:
    z = noise(20)
    full, part = (derivatives(FUNCTIONS[name], z, k) for k in (4, order))
    assert len(part) >= order + 1
    assert all(torch.equal(one, other) for one, other in zip(part, full, strict=False))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_saturated_rules_have_finite_values_and_gradients(name: str, dtype: torch.dtype) -> None:
    z = torch.tensor([-1e4, -500.0, -50.0, -20.5, 0.0, 20.5, 50.0, 500.0, 1e4], dtype=dtype, requires_grad=True)
    for value in derivatives(FUNCTIONS[name], z, 4):
        assert value.isfinite().all()
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(value.sum(), z, retain_graph=True)
            assert gradient.isfinite().all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_single_precision_rules_are_as_exact_as_torch_differentiates(name: str) -> None:
    z = 3 * noise(400)
    exact = derivatives(FUNCTIONS[name], z, 2)
    by_rule = derivatives(FUNCTIONS[name], z.float(), 2)
    by_torch = nested_derivatives(FUNCTIONS[name], z.float(), 2)
    for value, rule, other in zip(exact, by_rule, by_torch, strict=True):
        assert (rule - value).abs().max() <= 2 * (other - value).abs().max() + 1e-7


@pytest.mark.parametrize("name", MODULE_OF)
def test_module_and_function_and_adaptive_activation_have_the_same_rule(name: str) -> None:
    rule = rule_of(FUNCTIONS[name])
    assert rule is not None
    assert rule_of(MODULE_OF[name]) is rule
    for activation in (name, FUNCTIONS[name], MODULE_OF[name]):
        assert rule_of(AdaptiveActivation(activation, "neuron", 5, (3,))) is rule


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "silu", "gelu"])
def test_functions_of_torch_nn_functional_have_the_rule_too(name: str) -> None:
    assert rule_of(getattr(nn.functional, name)) is rule_of(FUNCTIONS[name])


class DoubledTanh(nn.Tanh):
    def forward(self, z: Tensor) -> Tensor:
        return 2 * super().forward(z)


class NamedTanh(nn.Tanh):
    """A subclass that computes the same."""


class DoubledSteep(Steep):
    def forward(self, z: Tensor) -> Tensor:
        return 2 * super().forward(z)


class DoubledSite(AdaptiveActivation):
    def forward(self, z: Tensor) -> Tensor:
        return 2 * super().forward(z)


@dataclasses.dataclass
class Swish:
    """A callable that cannot be hashed."""

    slope: float

    def __call__(self, z: Tensor) -> Tensor:
        return z * torch.sigmoid(self.slope * z)


def replaced() -> nn.Module:
    module = nn.Tanh()
    module.forward = lambda z: 2 * torch.tanh(z)  # type: ignore[method-assign, assignment]
    return module


@pytest.mark.parametrize(
    "activation",
    [
        nn.GELU(approximate="tanh"), nn.Softplus(beta=2), nn.Softplus(threshold=5), nn.Mish(), nn.ReLU(), nn.RReLU(),
        nn.Dropout(), nn.BatchNorm1d(3), nn.functional.mish, torch.cos, lambda z: z**2, Swish(2.0), DoubledTanh(),
        DoubledSteep(), DoubledSite("tanh"), AdaptiveActivation(DoubledTanh()), AdaptiveActivation(Swish(2.0)),
        replaced(), "tanh", None,
    ],
    ids=lambda activation: type(activation).__name__,
)  # fmt: skip
def test_what_has_other_settings_or_a_forward_of_its_own_has_no_rule(activation: object) -> None:
    assert rule_of(activation) is None


def test_a_subclass_that_computes_the_same_has_the_rule() -> None:
    assert rule_of(NamedTanh()) is rule_of(torch.tanh)


@pytest.mark.parametrize("activation", [Steep(), AdaptiveActivation(Steep(), "neuron", 5, (3,))])
def test_own_derivatives_are_the_rule(activation: nn.Module) -> None:
    assert isinstance(Steep(), Differentiable)
    assert not isinstance(nn.Tanh(), Differentiable)
    z = noise(20)
    for got, expected in zip(derivatives(activation, z, 2), nested_derivatives(Steep(), z, 2), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14)


def test_own_derivatives_of_a_callable_that_is_no_module_are_the_rule() -> None:
    class Square:
        def __call__(self, z: Tensor) -> Tensor:
            return z * z

        def derivatives(self, z: Tensor, order: int) -> list[Tensor]:
            return [z * z, 2 * z, torch.full_like(z, 2)]

    square = Square()
    assert derivatives(AdaptiveActivation(square), torch.tensor([3.0]), 2)[1].item() == 6


def vanishes_at(activation: Any) -> int | None:
    """Find by nested autograd the lowest order from which on all derivatives are zero at random points."""
    z = 10 * noise(500)
    if activation is nn.functional.hardsigmoid or isinstance(activation, nn.Hardsigmoid):
        activation = lambda z: (z / 6 + 0.5).clamp(0, 1)  # noqa: E731  (torch differentiates its own but once)
    found = nested_derivatives(activation, z, 4)
    nonzero = [k for k, value in enumerate(found) if value.abs().max() > 0]
    lowest = nonzero[-1] + 1
    return lowest if lowest <= 4 else None


EVERY: dict[str, Any] = {
    **FUNCTIONS,
    **{kind.__name__: kind(*ARGUMENTS.get(kind.__name__, ())).double() for kind in MODULES},
    **{name: getattr(nn.functional, name) for name in ("relu6", "hardtanh", "hardsigmoid", "hardshrink", "hardswish")},
    **{name: getattr(nn.functional, name) for name in ("softshrink", "elu", "celu", "tanhshrink", "logsigmoid")},
}


@pytest.mark.parametrize("name", [name for name in EVERY if name != "identity"])
def test_derivatives_vanish_from_the_order_that_is_told(name: str) -> None:
    expected = vanishes_at(EVERY[name])
    assert vanishing_order(EVERY[name]) == expected
    assert vanishing_order(AdaptiveActivation(EVERY[name], "neuron", 5, (3,))) == expected


@pytest.mark.parametrize("activation", [torch.clone, nn.Identity(), nn.Softsign(), Swish(2.0), DoubledTanh(), None])
def test_identity_and_unknown_activations_vanish_at_no_order(activation: object) -> None:
    assert vanishing_order(activation) is None


def test_a_subclass_of_relu_with_a_forward_of_its_own_does_not_vanish_with_it() -> None:
    class SquaredReLU(nn.ReLU):
        def forward(self, z: Tensor) -> Tensor:
            return super().forward(z) ** 2

    assert vanishing_order(SquaredReLU()) is None
    assert vanishing_order(nn.ReLU(inplace=True)) == 2
