"""Sums over points, of which a chunk at a time is in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from laaf_lightning.derivatives import KnownFactors


class SumOver(Protocol):
    """Maps points, and the known factors of hard conditions there, to a sum over the points, 0-dim."""

    def __call__(self, points: Tensor, known: KnownFactors | None) -> Tensor:
        """Return the sum.

        Args:
            points: shape (N, d).
            known: at these points.
        """
        ...


def sum_in_chunks(function: SumOver, points: Tensor, known: KnownFactors | None, size: int | None) -> Tensor:
    """Sum over all points; what the backward pass needs of a chunk is computed again when it gets there.

    Args:
        function: the sum over some points.
        points: shape (N, d).
        known: at these points.
        size: most points at a time; None for all.

    Returns:
        0-dim, attached to the graph.
    """
    if size is None or size >= len(points):
        return function(points, known)
    repeated: Callable[..., Any] = checkpoint
    total = points.new_zeros(())
    for start in range(0, len(points), size):
        part = None if known is None else known.rows(start, start + size)
        chunk = points[start : start + size]
        total = total + repeated(function, chunk, part, use_reentrant=False, preserve_rng_state=False)
    return total
