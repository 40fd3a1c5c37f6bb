"""The kernel as an operator of torch, with shapes for ``torch.compile``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor


def jets(
    points: Sequence[Tensor],
    parameters: Sequence[Tensor],
    codes: Sequence[int],
    orders: Sequence[Sequence[int]],
) -> list[list[Tensor]]:
    """Return a network's outputs and their partial derivatives at one or several sets of points.

    Several networks of one shape run at once where every parameter has a leading axis K.

    Args:
        points: sets of shape (N, d), or (K, N, d) for K networks with points of their own; no gradient is passed to
            them.
        parameters: of each layer its weight (outputs, inputs), its bias if it has one, and the slope of the activation
            after it if there is one, 0-dim or (outputs,): what is computed is σ(slope·(Wx + b)).
        codes: three numbers for each layer: its activation, negative for none after the last layer, whether it has a
            bias, whether a slope.
        orders: for each set, J − 1 pairs of columns, one after the other: (a, −1) for a first derivative, then (a, b)
            for second ones.

    Returns:
        For each set J tensors of shape (N, C), or (K, N, C) for K networks: the value, then the derivatives.
    """
    derivatives = [len(own) // 2 for own in orders]
    together = [column for own in orders for column in own]
    flat = torch.ops.laaf_lightning.jets(points, parameters, codes, together, derivatives)
    sets = []
    for count in derivatives:
        sets.append(flat[: count + 1])
        flat = flat[count + 1 :]
    return sets


@cache
def prepare() -> None:
    """Tell torch of the shapes, once, after the kernel has been loaded."""
    torch.library.register_fake("laaf_lightning::jets", _fake_jets)
    torch.library.register_fake("laaf_lightning::jets_backward", _fake_backward)


def _fake_jets(
    points: Sequence[Tensor],
    parameters: Sequence[Tensor],
    codes: Sequence[int],
    orders: Sequence[int],
    derivatives: Sequence[int],
) -> list[Tensor]:
    # The last layer's weight is followed by its bias, if any; it has no slope.
    *stacked, outputs, _ = parameters[-1 - codes[-2]].shape
    return [
        own.new_empty((*stacked, outputs, own.shape[-2])).transpose(-1, -2)
        for own, count in zip(points, derivatives, strict=True)
        for _ in range(count + 1)
    ]


def _fake_backward(
    gradients: Sequence[Tensor],
    points: Sequence[Tensor],
    parameters: Sequence[Tensor],
    codes: Sequence[int],
    orders: Sequence[int],
    derivatives: Sequence[int],
) -> list[Tensor]:
    return [torch.empty_like(parameter, memory_format=torch.contiguous_format) for parameter in parameters]
