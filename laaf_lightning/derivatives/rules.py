"""σ and its derivatives, for the activations that Taylor mode can pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation

# Maps z and an order k <= 4 to [σ(z), σ′(z) … σ⁽ᵏ⁾(z)], each of the shape of z.
Rule: TypeAlias = Callable[[Tensor, int], Sequence[Tensor]]

HIGHEST_ORDER = 4


@runtime_checkable
class Differentiable(Protocol):
    """An activation that knows its own derivatives: the way to add one to Taylor mode.

    Example:
        >>> class Gaussian(nn.Module):
        ...     def forward(self, z):
        ...         return torch.exp(-z * z)
        ...
        ...     def derivatives(self, z, order):
        ...         g = self(z)
        ...         return [g, -2 * z * g, (4 * z * z - 2) * g][: order + 1]
        >>> isinstance(Gaussian(), Differentiable), rule_of(Gaussian()) is not None
        (True, True)
    """

    def derivatives(self, z: Tensor, order: int) -> Sequence[Tensor]:
        """Return σ(z) and its derivatives.

        Args:
            z: any shape.
            order: the highest derivative that is needed.

        Returns:
            σ, σ′ … up to `order`, `order` + 1 tensors of the shape of z; fewer where no more are known.
        """
        ...


def rule_of(activation: object) -> Rule | None:
    """Find the derivatives of an activation.

    Args:
        activation: what an `AdaptiveActivation` applies, or a module of its own.

    Returns:
        A function of z and an order; None where there is none.
    """
    if isinstance(activation, AdaptiveActivation):
        activation = activation.activation
    if isinstance(activation, Differentiable):
        return activation.derivatives
    if isinstance(activation, nn.Module):
        return _module_rule(activation)
    return _RULES.get(activation) if callable(activation) else None


def vanishing_order(activation: object) -> int | None:
    """Tell from which order on an activation's derivatives are zero almost everywhere, as those of ReLU are.

    Args:
        activation: what an `AdaptiveActivation` applies, or a module of its own.

    Returns:
        The lowest such order; None for smooth activations and for those that are not known.

    Example:
        >>> vanishing_order(nn.ReLU()), vanishing_order(nn.functional.hardswish), vanishing_order(torch.tanh)
        (2, 3, None)
    """
    if isinstance(activation, AdaptiveActivation):
        activation = activation.activation
    if isinstance(activation, (nn.Hardswish,)):
        return 3
    if isinstance(activation, _PIECEWISE_LINEAR_MODULES):
        return 2
    return _VANISHING.get(activation) if callable(activation) else None


def _tanh(z: Tensor, order: int) -> list[Tensor]:
    s = torch.tanh(z)
    first = 1 - s * s
    derivatives = [s, first]
    if order >= 2:
        derivatives.append(-2 * s * first)
    if order >= 3:
        derivatives.append(first * (6 * s * s - 2))
    if order >= 4:
        derivatives.append(s * first * (16 - 24 * s * s))
    return derivatives


def _sin(z: Tensor, order: int) -> list[Tensor]:
    sine, cosine = torch.sin(z), torch.cos(z)
    return [sine, cosine, -sine, -cosine, sine]


def _sigmoid(z: Tensor, order: int) -> list[Tensor]:
    p = torch.sigmoid(z)
    first = p * (1 - p)
    derivatives = [p, first]
    if order >= 2:
        derivatives.append(first * (1 - 2 * p))
    if order >= 3:
        derivatives.append(first * (1 - 6 * first))
    if order >= 4:
        derivatives.append(derivatives[2] * (1 - 12 * first))
    return derivatives


def _softplus(z: Tensor, order: int) -> list[Tensor]:
    return [nn.functional.softplus(z), *_sigmoid(z, order - 1)]


def _silu(z: Tensor, order: int) -> list[Tensor]:
    return _times_z(z, _sigmoid(z, order))


def _gelu(z: Tensor, order: int) -> list[Tensor]:
    density = torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    cumulative = 0.5 * (1 + torch.erf(z / math.sqrt(2)))
    derivatives = [cumulative, density]
    if order >= 2:
        derivatives.append(-z * density)
    if order >= 3:
        derivatives.append((z * z - 1) * density)
    if order >= 4:
        derivatives.append((3 - z * z) * z * density)
    return _times_z(z, derivatives)


def _identity(z: Tensor, order: int) -> list[Tensor]:
    return [z, torch.ones_like(z), *(torch.zeros_like(z) for _ in range(order - 1))]


def _times_z(z: Tensor, derivatives: Sequence[Tensor]) -> list[Tensor]:
    """Return the derivatives of z·p(z): the k-th is k·p⁽ᵏ⁻¹⁾ + z·p⁽ᵏ⁾."""
    higher = [k * derivatives[k - 1] + z * derivatives[k] for k in range(1, len(derivatives))]
    return [z * derivatives[0], *higher]


def _module_rule(module: nn.Module) -> Rule | None:
    """Return the rule of torch's own module, where its settings are the function's defaults."""
    if isinstance(module, nn.GELU):
        return _gelu if module.approximate == "none" else None
    if isinstance(module, nn.Softplus):
        return _softplus if (module.beta, module.threshold) == (1.0, 20.0) else None
    return next((rule for kind, rule in _MODULE_RULES.items() if isinstance(module, kind)), None)


_RULES: dict[Any, Rule] = {
    torch.tanh: _tanh,
    torch.sin: _sin,
    torch.sigmoid: _sigmoid,
    torch.clone: _identity,
    nn.functional.tanh: _tanh,
    nn.functional.sigmoid: _sigmoid,
    nn.functional.softplus: _softplus,
    nn.functional.silu: _silu,
    nn.functional.gelu: _gelu,
}
_MODULE_RULES: dict[type[nn.Module], Rule] = {
    nn.Tanh: _tanh,
    nn.Sigmoid: _sigmoid,
    nn.SiLU: _silu,
    nn.Identity: _identity,
}
_PIECEWISE_LINEAR_MODULES = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.RReLU,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Hardshrink,
    nn.Softshrink,
    nn.Threshold,
)
_VANISHING: dict[Any, int] = {
    torch.relu: 2,
    nn.functional.relu: 2,
    nn.functional.relu6: 2,
    nn.functional.leaky_relu: 2,
    nn.functional.hardtanh: 2,
    nn.functional.hardsigmoid: 2,
    nn.functional.hardshrink: 2,
    nn.functional.softshrink: 2,
    nn.functional.hardswish: 3,
}
