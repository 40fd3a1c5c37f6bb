"""The kernel as an operator of torch: with its gradient, and with shapes for ``torch.compile``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError

_JETS = "laaf_lightning::jets"
_BACKWARD = "laaf_lightning::jets_backward"


def jets(points: Tensor, parameters: Sequence[Tensor], codes: Sequence[int], orders: Sequence[int]) -> Tensor:
    """Return a network's outputs and their partial derivatives.

    Several networks of one shape run at once where every parameter has a leading axis K.

    Args:
        points: shape (N, d), or (K, N, d) for K networks with points of their own; no gradient is passed to them.
        parameters: of each layer its weight (outputs, inputs), its bias if it has one, and the slope of the activation
            after it if there is one, 0-dim or (outputs,): what is computed is σ(slope·(Wx + b)).
        codes: three numbers for each layer: its activation, negative for none after the last layer, whether it has a
            bias, whether a slope.
        orders: J − 1 pairs of columns: (a, −1) for a first derivative, then (a, b) for second ones.

    Returns:
        Shape (J, C, N): the value, then the derivatives; (J, K, C, N) for K networks.
    """
    result: Tensor = torch.ops.laaf_lightning.jets(points, parameters, codes, orders)
    return result


@cache
def prepare() -> None:
    """Tell torch of the gradient and of the shapes, once, after the kernel has been loaded."""
    torch.library.register_fake(_JETS, _fake_jets)
    torch.library.register_fake(_BACKWARD, _fake_backward)
    torch.library.register_autograd(_JETS, _backward, setup_context=_keep)
    torch.library.register_autograd(_BACKWARD, _refuse_again)


def _refuse_again(ctx: Any, *gradients: Any) -> None:
    raise ConfigurationError(
        "gradients taken through the fused kernel cannot be differentiated again: take engine='taylor'"
    )


def _fake_jets(points: Tensor, parameters: Sequence[Tensor], codes: Sequence[int], orders: Sequence[int]) -> Tensor:
    # The last layer's weight is followed by its bias, if any; it has no slope.
    *stacked, outputs, _ = parameters[-1 - codes[-2]].shape
    return points.new_empty((1 + len(orders) // 2, *stacked, outputs, points.shape[-2]))


def _fake_backward(
    gradient: Tensor, points: Tensor, parameters: Sequence[Tensor], codes: Sequence[int], orders: Sequence[int]
) -> list[Tensor]:
    return [torch.empty_like(parameter, memory_format=torch.contiguous_format) for parameter in parameters]


def _keep(ctx: Any, inputs: tuple[Tensor, Sequence[Tensor], Sequence[int], Sequence[int]], output: Tensor) -> None:
    points, parameters, ctx.codes, ctx.orders = inputs
    ctx.save_for_backward(points, *parameters)


def _backward(ctx: Any, gradient: Tensor) -> tuple[None, list[Tensor], None, list[None] | None]:
    points, *parameters = ctx.saved_tensors
    found = torch.ops.laaf_lightning.jets_backward(gradient, points, parameters, ctx.codes, ctx.orders)
    return None, found, None, None if ctx.orders else []  # torch wants an empty list's gradient to be one
