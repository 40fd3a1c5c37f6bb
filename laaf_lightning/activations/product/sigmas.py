"""The functions σ of torch with their derivatives: what a product with a slope needs to know of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

_aten = torch.ops.aten
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@dataclass(frozen=True, eq=False)
class Sigma:
    """A known elementwise function.

    Attributes:
        value: σ.
        in_place: σ, written over its argument; `value` where torch has no such form.
        gradient: of (g, x) gives g·σ′(x), differentiable as torch's own backward of σ is; of (g, y) with y = σ(x)
            where `keeps_result` is true.
        keeps_result: whether y alone gives σ′(x), and x wherever that is not 0: then y is kept for the backward pass,
            which the next layer keeps too, in place of z.
        fused: whether this keeps less than the plain product does.
        rounds_within: whether torch's kernel for half precision rounds more than once, or its settings.
        rounds_at_ends: whether torch's kernel for CPUs rounds otherwise at the end of what its vectors hold, which are
            longer for half precision, so that this shows after rounding.
    """

    value: Callable[[Tensor], Tensor]
    in_place: Callable[[Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor], Tensor]
    keeps_result: bool = False
    fused: bool = True
    rounds_within: bool = False
    rounds_at_ends: bool = False


def leaky_relu(negative_slope: float = 0.01) -> Sigma:
    """Return leaky ReLU of one slope."""
    return Sigma(
        lambda x: functional.leaky_relu(x, negative_slope),
        lambda x: functional.leaky_relu(x, negative_slope, inplace=True),
        lambda g, x: _aten.leaky_relu_backward(g, x, negative_slope, False),
    )


def hardtanh(min_val: float = -1.0, max_val: float = 1.0) -> Sigma:
    """Return the clamp to an interval."""
    return Sigma(
        lambda x: functional.hardtanh(x, min_val, max_val),
        lambda x: functional.hardtanh(x, min_val, max_val, inplace=True),
        lambda g, x: _aten.hardtanh_backward(g, x, min_val, max_val),
    )


def threshold(threshold: float, value: float) -> Sigma:
    """Return what is a constant up to a threshold."""
    return Sigma(
        lambda x: functional.threshold(x, threshold, value),
        lambda x: functional.threshold(x, threshold, value, inplace=True),
        lambda g, x: _aten.threshold_backward(g, x, threshold),
    )


def elu(alpha: float = 1.0) -> Sigma:
    """Return ELU of one α."""
    return Sigma(
        lambda x: functional.elu(x, alpha),
        lambda x: functional.elu(x, alpha, inplace=True),
        lambda g, x: _aten.elu_backward(g, alpha, 1.0, 1.0, False, x),
    )


def celu(alpha: float = 1.0) -> Sigma:
    """Return CELU of one α."""
    return Sigma(
        lambda x: functional.celu(x, alpha),
        lambda x: functional.celu(x, alpha, inplace=True),
        lambda g, x: _aten.elu_backward(g, alpha, 1.0, 1.0 / alpha, False, x),
    )


def gelu(approximate: str = "none") -> Sigma:
    """Return GELU, exact or by tanh."""
    return _GELUS[approximate]


def softplus(beta: float = 1.0, threshold: float = 20.0) -> Sigma:
    """Return softplus of one sharpness."""

    def value(x: Tensor) -> Tensor:
        return functional.softplus(x, beta, threshold)

    return Sigma(value, value, lambda g, x: _aten.softplus_backward(g, x, beta, threshold))


def hardshrink(lambd: float = 0.5) -> Sigma:
    """Return hard shrinkage by one λ."""

    def value(x: Tensor) -> Tensor:
        return functional.hardshrink(x, lambd)

    return Sigma(value, value, lambda g, x: _aten.hardshrink_backward(g, x, lambd), rounds_within=True)


def softshrink(lambd: float = 0.5) -> Sigma:
    """Return soft shrinkage by one λ."""

    def value(x: Tensor) -> Tensor:
        return functional.softshrink(x, lambd)

    return Sigma(value, value, lambda g, x: _aten.softshrink_backward(g, x, lambd), rounds_within=True)


def _relu6_gradient(g: Tensor, x: Tensor) -> Tensor:
    gradient: Tensor = _aten.hardtanh_backward(g, x, 0.0, 6.0)
    return gradient


def _softsign_gradient(g: Tensor, x: Tensor) -> Tensor:
    denominator = x.abs() + 1
    return g / (denominator * denominator)


def _tanhshrink_gradient(g: Tensor, x: Tensor) -> Tensor:
    t = x.tanh()
    return g * (t * t)


def _silu_gradient(g: Tensor, x: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        gradient: Tensor = _aten.silu_backward(g, x)
        return gradient
    s = torch.sigmoid(x)  # torch differentiates its kernel no further
    return g * s * (1 + x * (1 - s))


def _mish_gradient(g: Tensor, x: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        gradient: Tensor = _aten.mish_backward(g, x)
        return gradient
    t = torch.tanh(functional.softplus(x))
    return g * (t + x * torch.sigmoid(x) * (1 - t * t))


def _gelu(approximate: str) -> Sigma:
    return Sigma(
        lambda x: functional.gelu(x, approximate=approximate),
        lambda x: functional.gelu(x, approximate=approximate),
        lambda g, x: _aten.gelu_backward(g, x, approximate=approximate),
        rounds_at_ends=True,
    )


RELU = Sigma(torch.relu, torch.relu_, lambda g, y: _aten.threshold_backward(g, y, 0), keeps_result=True)
# Written over z, σ leaves the result alone to be kept; else it may be changed afterwards, and z is kept as torch does.
RELU6_IN_PLACE = Sigma(
    functional.relu6, lambda x: functional.relu6(x, inplace=True), _relu6_gradient, keeps_result=True
)
RELU6 = replace(RELU6_IN_PLACE, keeps_result=False)
SELU = Sigma(
    functional.selu,
    lambda x: functional.selu(x, inplace=True),
    lambda g, x: _aten.elu_backward(g, _SELU_ALPHA, _SELU_SCALE, 1.0, False, x),
)
_GELUS = {approximate: _gelu(approximate) for approximate in ("none", "tanh")}
SILU = Sigma(functional.silu, lambda x: functional.silu(x, inplace=True), _silu_gradient)
MISH = Sigma(functional.mish, lambda x: functional.mish(x, inplace=True), _mish_gradient)
HARDSWISH = Sigma(functional.hardswish, lambda x: functional.hardswish(x, inplace=True), _aten.hardswish_backward)
HARDSIGMOID = Sigma(
    functional.hardsigmoid, lambda x: functional.hardsigmoid(x, inplace=True), _aten.hardsigmoid_backward
)
LOGSIGMOID = Sigma(functional.logsigmoid, functional.logsigmoid, lambda g, x: g * torch.sigmoid(-x))
SOFTSIGN = Sigma(functional.softsign, functional.softsign, _softsign_gradient, rounds_within=True)
TANHSHRINK = Sigma(functional.tanhshrink, functional.tanhshrink, _tanhshrink_gradient, rounds_within=True)
SIN = Sigma(torch.sin, torch.sin_, lambda g, x: g * torch.cos(x))
# Of these the plain product keeps z and y, and y the next layer keeps anyway; y alone does not give z near saturation.
TANH = Sigma(torch.tanh, torch.tanh_, lambda g, x: _aten.tanh_backward(g, torch.tanh(x)), fused=False)
SIGMOID = Sigma(torch.sigmoid, torch.sigmoid_, lambda g, x: _aten.sigmoid_backward(g, torch.sigmoid(x)), fused=False)
IDENTITY = Sigma(lambda x: x, lambda x: x, lambda g, _: g, fused=False)
