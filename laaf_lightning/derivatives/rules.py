"""σ and its derivatives, for the activations that Taylor mode can pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives.overridden_forward import describes_forward, forward_of

# Maps z and an order k <= 4 to [σ(z), σ′(z) … σ⁽ᵏ⁾(z)], each of the shape of z.
Rule: TypeAlias = Callable[[Tensor, int], Sequence[Tensor]]

HIGHEST_ORDER = 4

_Known = TypeVar("_Known")


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
            z: any shape; features come first in Taylor mode, so that parameters of an activation must be 0-dim.
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
    activation = _applied(activation)
    if isinstance(activation, Differentiable) and describes_forward(activation, "derivatives"):
        return activation.derivatives
    if isinstance(activation, nn.GELU) and activation.approximate != "none":
        return None
    if isinstance(activation, nn.Softplus) and (activation.beta, activation.threshold) != (1, 20):
        return None
    return _look_up(_RULES, activation)


def rule_name(rule: Rule) -> str | None:
    """Name a rule of ours.

    Args:
        rule: as `rule_of` returns it.

    Returns:
        ``"tanh"``, ``"sin"``, ``"sigmoid"``, ``"softplus"``, ``"silu"``, ``"gelu"`` or ``"identity"``; None for a rule
        that is a user's.

    Example:
        >>> rule_name(rule_of(nn.Tanh()))
        'tanh'
    """
    return next((rule.__name__.removeprefix("_") for known in _RULES.values() if known is rule), None)


def vanishing_order(activation: object) -> int | None:
    """Tell from which order on an activation's derivatives are zero almost everywhere, as those of ReLU are.

    Args:
        activation: what an `AdaptiveActivation` applies, or a module of its own.

    Returns:
        The lowest such order; None for smooth activations, the identity too, and for those that are not known.

    Example:
        >>> vanishing_order(nn.ReLU()), vanishing_order(nn.functional.hardswish), vanishing_order(torch.tanh)
        (2, 3, None)
    """
    return _look_up(_VANISHING, _applied(activation))


def _applied(activation: object) -> object:
    """Return the σ of an adaptive activation; a subclass with another forward is taken as a whole."""
    if isinstance(activation, AdaptiveActivation) and forward_of(activation) is AdaptiveActivation.forward:
        return activation.activation
    return activation


def _look_up(known: Mapping[Any, _Known], activation: object) -> _Known | None:
    """Find a function, or a module by its forward; by identity, since not every callable can be hashed."""
    function = forward_of(activation) if isinstance(activation, nn.Module) else activation
    return next((value for key, value in known.items() if key is function), None)


def _tanh(z: Tensor, order: int) -> list[Tensor]:
    s = torch.tanh(z)
    square = s * s
    first = 1 - square
    derivatives = [s, first]
    if order >= 2:
        derivatives.append((s * first).mul_(-2))
    if order >= 3:
        derivatives.append(first * (6 * square - 2))
    if order >= 4:
        derivatives.append(derivatives[2] * (12 * square - 8))
    return derivatives


def _sin(z: Tensor, order: int) -> list[Tensor]:
    sine, cosine = torch.sin(z), torch.cos(z)
    derivatives = [sine, cosine]
    if order >= 2:
        derivatives.append(-sine)
    if order >= 3:
        derivatives.append(-cosine)
    if order >= 4:
        derivatives.append(sine)
    return derivatives


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
    # Beyond z = 20 torch's softplus is z itself: its derivative and this one differ by 2e-9 at most.
    return [nn.functional.softplus(z), *_sigmoid(z, order - 1)]


def _silu(z: Tensor, order: int) -> list[Tensor]:
    p = _sigmoid(z, order)
    return [z * p[0], *(torch.add(z * p[k], p[k - 1], alpha=k) for k in range(1, len(p)))]


def _gelu(z: Tensor, order: int) -> list[Tensor]:
    square = z * z
    density = torch.exp(-0.5 * square) / math.sqrt(2 * math.pi)
    cumulative = 0.5 * (1 + torch.erf(z / math.sqrt(2)))
    derivatives = [z * cumulative, cumulative + z * density]
    if order >= 2:
        derivatives.append((2 - square) * density)
    if order >= 3:
        derivatives.append((square - 4) * z * density)
    if order >= 4:
        derivatives.append(((7 - square) * square - 4) * density)
    return derivatives


def _identity(z: Tensor, order: int) -> list[Tensor]:
    return [z, torch.ones_like(z), *(torch.zeros_like(z) for _ in range(order - 1))]


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
    nn.Tanh.forward: _tanh,
    nn.Sigmoid.forward: _sigmoid,
    nn.Softplus.forward: _softplus,
    nn.SiLU.forward: _silu,
    nn.GELU.forward: _gelu,
    nn.Identity.forward: _identity,
}
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
    nn.ReLU.forward: 2,
    nn.ReLU6.forward: 2,
    nn.LeakyReLU.forward: 2,
    nn.PReLU.forward: 2,
    nn.RReLU.forward: 2,
    nn.Hardtanh.forward: 2,
    nn.Hardsigmoid.forward: 2,
    nn.Hardshrink.forward: 2,
    nn.Softshrink.forward: 2,
    nn.Threshold.forward: 2,
    nn.Hardswish.forward: 3,
}
