"""The kernel as an operator of torch, with shapes for ``torch.compile``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor


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
    """Tell torch of the shapes, once, after the kernel has been loaded."""
    torch.library.register_fake("laaf_lightning::jets", _fake_jets)
    torch.library.register_fake("laaf_lightning::jets_backward", _fake_backward)


def _fake_jets(points: Tensor, parameters: Sequence[Tensor], codes: Sequence[int], orders: Sequence[int]) -> Tensor:
    # The last layer's weight is followed by its bias, if any; it has no slope.
    *stacked, outputs, _ = parameters[-1 - codes[-2]].shape
    return points.new_empty((1 + len(orders) // 2, *stacked, outputs, points.shape[-2]))


def _fake_backward(
    gradient: Tensor, points: Tensor, parameters: Sequence[Tensor], codes: Sequence[int], orders: Sequence[int]
) -> list[Tensor]:
    return [torch.empty_like(parameter, memory_format=torch.contiguous_format) for parameter in parameters]
