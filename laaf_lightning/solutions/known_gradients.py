"""Numbers whose gradients are known before anyone asks, as a part of torch's graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def flattened(gradients: Sequence[Tensor]) -> Tensor:
    """Lay the gradients of one value by several parameters out as a row.

    Args:
        gradients: of the parameters' shapes.

    Returns:
        Shape (P,) for P numbers in the parameters.
    """
    return torch.cat([gradient.flatten() for gradient in gradients])


def with_gradients(values: Tensor, gradients: Tensor, parameters: Sequence[nn.Parameter]) -> tuple[Tensor, ...]:
    """Attach values to the graph of parameters, with given gradients, which are of first order only.

    Args:
        values: T numbers, shape (T,).
        gradients: each one's, laid out by `flattened`, shape (T, P).
        parameters: by which.

    Returns:
        T tensors, 0-dim.

    Example:
        >>> weight = nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> (value,) = with_gradients(torch.tensor([7.0]), torch.tensor([[3.0, 4.0]]), [weight])
        >>> torch.autograd.grad(2 * value, weight)[0].tolist()
        [6.0, 8.0]
    """
    apply: Callable[..., tuple[Tensor, ...]] = _KnownGradients.apply
    return apply(values, gradients, *parameters)


class _KnownGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, gradients: Tensor, *parameters: nn.Parameter) -> tuple[Tensor, ...]:
        ctx.save_for_backward(gradients)
        ctx.parameters = [(parameter.shape, parameter.dtype) for parameter in parameters]
        return tuple(value.clone() for value in values)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        (gradients,) = ctx.saved_tensors
        total = torch.stack(outer).to(gradients.dtype) @ gradients
        parts = total.split([shape.numel() for shape, _ in ctx.parameters])
        shaped = (part.to(dtype).view(shape) for part, (shape, dtype) in zip(parts, ctx.parameters, strict=True))
        return None, None, *shaped
