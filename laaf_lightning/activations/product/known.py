"""Which of torch's functions an activation is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from laaf_lightning.activations.product import sigmas
from laaf_lightning.activations.product.sigmas import Sigma

_FUNCTIONS: dict[Callable[..., Tensor], Callable[..., Sigma]] = {
    torch.tanh: lambda: sigmas.TANH,
    functional.tanh: lambda: sigmas.TANH,
    torch.sigmoid: lambda: sigmas.SIGMOID,
    functional.sigmoid: lambda: sigmas.SIGMOID,
    torch.sin: lambda: sigmas.SIN,
    torch.clone: lambda: sigmas.IDENTITY,
    torch.relu: lambda: sigmas.RELU,
    torch.relu_: lambda: sigmas.RELU,
    functional.relu: lambda: sigmas.RELU,
    functional.relu6: lambda: sigmas.RELU6,
    functional.leaky_relu: sigmas.leaky_relu,
    functional.hardtanh: sigmas.hardtanh,
    functional.threshold: sigmas.threshold,
    functional.elu: sigmas.elu,
    functional.celu: sigmas.celu,
    torch.celu: sigmas.celu,
    functional.selu: lambda: sigmas.SELU,
    torch.selu: lambda: sigmas.SELU,
    functional.gelu: sigmas.gelu,
    functional.silu: lambda: sigmas.SILU,
    functional.mish: lambda: sigmas.MISH,
    functional.softplus: sigmas.softplus,
    functional.hardswish: lambda: sigmas.HARDSWISH,
    functional.hardsigmoid: lambda: sigmas.HARDSIGMOID,
    functional.hardshrink: sigmas.hardshrink,
    functional.softshrink: sigmas.softshrink,
    functional.logsigmoid: lambda: sigmas.LOGSIGMOID,
    functional.softsign: lambda: sigmas.SOFTSIGN,
    functional.tanhshrink: lambda: sigmas.TANHSHRINK,
}

_MODULES: dict[type[nn.Module], Callable[[Any], Sigma]] = {
    nn.CELU: lambda m: sigmas.celu(m.alpha),
    nn.ELU: lambda m: sigmas.elu(m.alpha),
    nn.GELU: lambda m: sigmas.gelu(m.approximate),
    nn.Hardshrink: lambda m: sigmas.hardshrink(m.lambd),
    nn.Hardsigmoid: lambda _: sigmas.HARDSIGMOID,
    nn.Hardswish: lambda _: sigmas.HARDSWISH,
    nn.Hardtanh: lambda m: sigmas.hardtanh(m.min_val, m.max_val),
    nn.LeakyReLU: lambda m: sigmas.leaky_relu(m.negative_slope),
    nn.LogSigmoid: lambda _: sigmas.LOGSIGMOID,
    nn.Mish: lambda _: sigmas.MISH,
    nn.ReLU: lambda _: sigmas.RELU,
    nn.ReLU6: lambda m: sigmas.RELU6_IN_PLACE if m.inplace else sigmas.RELU6,
    nn.SELU: lambda _: sigmas.SELU,
    nn.Sigmoid: lambda _: sigmas.SIGMOID,
    nn.SiLU: lambda _: sigmas.SILU,
    nn.Softplus: lambda m: sigmas.softplus(m.beta, m.threshold),
    nn.Softshrink: lambda m: sigmas.softshrink(m.lambd),
    nn.Softsign: lambda _: sigmas.SOFTSIGN,
    nn.Tanh: lambda _: sigmas.TANH,
    nn.Tanhshrink: lambda _: sigmas.TANHSHRINK,
    nn.Threshold: lambda m: sigmas.threshold(m.threshold, m.value),
}

_ROUND_WITHIN: tuple[type[nn.Module], ...] = (nn.Hardshrink, nn.Softshrink, nn.Softsign, nn.Tanhshrink)
_FUNCTIONS_ROUND_WITHIN: tuple[Callable[..., Tensor], ...] = (
    functional.hardshrink,
    functional.softshrink,
    functional.softsign,
    functional.tanhshrink,
)

# Dictionaries of torch.nn.Module that have no public way in; a test notices where their names change.
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def is_known(activation: Callable[[Tensor], Tensor]) -> bool:
    """Tell whether an activation is a function or module of torch that is listed here, whatever its settings and hooks.

    Args:
        activation: any.

    Returns:
        Whether it is; then it takes any floating dtype.
    """
    if isinstance(activation, nn.Module):
        return type(activation) in _MODULES
    function = activation.func if isinstance(activation, functools.partial) else activation
    return isinstance(function, Hashable) and function in _FUNCTIONS


def is_relu(activation: Callable[[Tensor], Tensor]) -> bool:
    """Tell whether an activation is ReLU.

    Args:
        activation: any.

    Returns:
        Whether it is, in place or not.
    """
    if isinstance(activation, nn.Module):
        return type(activation) is nn.ReLU and not any(vars(activation)[hooks] for hooks in _HOOKS)
    function = activation.func if isinstance(activation, functools.partial) else activation
    return function is functional.relu or function is torch.relu


def rounds_otherwise(activation: Callable[[Tensor], Tensor], z: Tensor) -> bool:
    """Tell whether torch's kernel of a known activation rounds otherwise for half precision than for float32.

    Args:
        activation: any.
        z: its argument.

    Returns:
        Whether it does, as `Sigma.rounds_within` and `Sigma.rounds_at_ends` say.
    """
    kinds = _ROUND_WITHIN + ((nn.GELU,) if z.device.type == "cpu" else ())
    functions = _FUNCTIONS_ROUND_WITHIN + ((functional.gelu,) if z.device.type == "cpu" else ())
    if isinstance(activation, nn.Module):
        return type(activation) in kinds
    function = activation.func if isinstance(activation, functools.partial) else activation
    return any(function is one for one in functions)


def sigma_of(activation: Callable[[Tensor], Tensor]) -> Sigma | None:
    """Return what is known of an activation.

    Args:
        activation: a function of torch, a ``functools.partial`` that gives keywords to one, or a module of torch.

    Returns:
        Value and derivative; None for any other callable, and for a module with hooks or with a forward of its own.

    Example:
        >>> sigma_of(nn.GELU("tanh")) is sigma_of(functools.partial(functional.gelu, approximate="tanh"))
        True
        >>> print(sigma_of(lambda z: z**3))
        None
    """
    if isinstance(activation, nn.Module):
        make = _MODULES.get(type(activation))
        own = vars(activation)
        return None if make is None or "forward" in own or any(own[hooks] for hooks in _HOOKS) else make(activation)
    settings: dict[str, Any] = {}
    if isinstance(activation, functools.partial) and not activation.args:
        # What is written over is the product, which is nobody else's.
        settings = {name: value for name, value in activation.keywords.items() if name != "inplace"}
        activation = activation.func
    if not is_known(activation):
        return None
    try:
        return _FUNCTIONS[activation](**settings)
    except TypeError:  # the call is wrong, and torch says so
        return None
