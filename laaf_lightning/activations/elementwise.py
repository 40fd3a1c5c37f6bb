"""The elementwise functions σ: by name, as a callable, as a module, and the modules of torch that are one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from laaf_lightning.errors import ConfigurationError, unknown_choice

Activation: TypeAlias = str | nn.Module | Callable[[Tensor], Tensor]

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sin": torch.sin,
    "sigmoid": torch.sigmoid,
    "relu": nn.functional.relu,
    "leaky_relu": nn.functional.leaky_relu,
    "elu": nn.functional.elu,
    "selu": nn.functional.selu,
    "gelu": nn.functional.gelu,
    "silu": nn.functional.silu,
    "mish": nn.functional.mish,
    "softplus": nn.functional.softplus,
    "softsign": nn.functional.softsign,
    "identity": torch.clone,
}

# What torch.nn lists as activations, without those that mix units (softmax and its kin, GLU, attention).
MODULES: tuple[type[nn.Module], ...] = (
    nn.CELU,
    nn.ELU,
    nn.GELU,
    nn.Hardshrink,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.LogSigmoid,
    nn.Mish,
    nn.PReLU,
    nn.ReLU,
    nn.ReLU6,
    nn.RReLU,
    nn.SELU,
    nn.Sigmoid,
    nn.SiLU,
    nn.Softplus,
    nn.Softshrink,
    nn.Softsign,
    nn.Tanh,
    nn.Tanhshrink,
    nn.Threshold,
)


def resolve_activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    """Return the elementwise function that a name, a callable or a module stands for.

    Args:
        activation: a name such as ``"tanh"``, a callable, or an instance of an ``nn.Module``.

    Returns:
        The callable; a name gives the function of torch.

    Raises:
        ConfigurationError: if the name is unknown, or a class is given instead of an instance.
    """
    if isinstance(activation, str):
        if activation not in FUNCTIONS:
            raise ConfigurationError(unknown_choice("activation", activation, sorted(FUNCTIONS)))
        return FUNCTIONS[activation]
    if inspect.isclass(activation):
        raise ConfigurationError(
            f"activation={activation.__name__} is a class: give an instance, {activation.__name__}(), or a name, "
            f"activation='tanh' (--model.activation tanh); names are {', '.join(sorted(FUNCTIONS))}"
        )
    if not callable(activation):
        raise ConfigurationError(
            f"activation={activation!r} is not a name, a callable or an nn.Module; "
            f"names are {', '.join(sorted(FUNCTIONS))}"
        )
    return activation
