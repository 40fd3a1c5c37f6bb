"""Sums over points, of which a chunk at a time is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import KnownFactors
from laaf_lightning.solutions.known_gradients import flattened, with_gradients


def sum_in_chunks(
    function: Callable[..., Tensor],
    points: Tensor,
    known: KnownFactors | None,
    size: int | None,
    parameters: Iterable[nn.Parameter],
    rows: Tensor | None = None,
) -> Tensor:
    """Sum over all points, with the gradients of each chunk taken as soon as its sum is there.

    Nothing of a chunk is then kept but its gradients; they are those of first order, without a graph of their own.

    Args:
        function: maps points (N, d), the known factors there, and their rows if any, to the sum over them, 0-dim.
        points: shape (N, d).
        known: at these points.
        size: most points at a time; None for all.
        parameters: what the sum is differentiated by; looked at only if there are chunks.
        rows: one for each point, which go with it; None for none.

    Returns:
        0-dim, attached to the graph.
    """
    if size is None or size >= len(points):
        return function(points, known, *(() if rows is None else (rows,)))
    starts = range(0, len(points), size)
    parts = [
        (
            points[i : i + size],
            None if known is None else known.rows(i, i + size),
            *(() if rows is None else (rows[i : i + size],)),
        )
        for i in starts
    ]
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained or not torch.is_grad_enabled():
        return torch.stack([function(*part) for part in parts]).sum()
    # Not torch's checkpoint: compiled code may be another, and keep other tensors, when a chunk comes again.
    total, row = points.new_zeros(()), torch.zeros((), device=points.device)
    for part in parts:
        value = function(*part)
        row = row + flattened(torch.autograd.grad(value, trained, allow_unused=True, materialize_grads=True))
        total += value.detach()
    (attached,) = with_gradients(total[None], row[None], trained)
    return attached
