"""Residuals of a loss's terms at some points of a batch, for what looks at each of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from laaf_lightning.derivatives import KnownFactors
from laaf_lightning.problems import CollocationBatch
from laaf_lightning.solutions.terms.misfits import misfits_of
from laaf_lightning.solutions.terms.parts import LossParts


def residuals_at(parts: LossParts, points: Tensor, known: KnownFactors | None, weights: Tensor | None = None) -> Tensor:
    r"""Return ρ with Σρ² the mean of \|F\|² over some points.

    Args:
        parts: give the residual.
        points: shape (N, d).
        known: the factors of hard conditions there.
        weights: of the squares, shape (N, 1); None for 1.

    Returns:
        Shape (N, E), attached to the graph.
    """
    residual = parts.residual(points, known) / math.sqrt(len(points))
    return residual if weights is None else residual * weights.sqrt()


def misfits_at(
    parts: LossParts,
    batch: CollocationBatch,
    known_at: KnownFactors | None,
    most: int,
    generator: torch.Generator,
    *,
    by_name: bool,
) -> dict[str, Tensor]:
    """Return the misfits at some points of the conditions, so scaled that their squares add up to the terms.

    Args:
        parts: give field and conditions.
        batch: condition points and values.
        known_at: the factors of hard conditions there.
        most: points of a term.
        generator: draws them.
        by_name: whether each condition is a term, else there is one, ``"data"``.

    Returns:
        By name, 1-dim, attached to one graph; nothing without conditions. Where a term has more points than `most`, its
        sum of squares is an estimate.
    """
    _, at, values, by_condition, normals = batch
    if not len(values):
        return {}
    u = parts.field(at, known_at)
    misfit = misfits_of(parts, u, at, values, by_condition, normals) / math.sqrt(len(values))
    counts = by_condition if by_name and by_condition else {"data": len(misfit)}
    drawn = {}
    for name, own in zip(counts, misfit.split([*counts.values()]), strict=True):
        rows = some_of(len(own), most, generator).to(own.device)
        drawn[name] = own[rows].flatten() * math.sqrt(len(own) / len(rows))
    return drawn


def some_of(count: int, most: int, generator: torch.Generator) -> Tensor:
    """Draw rows without replacement.

    Args:
        count: of how many.
        most: how many; all where there are no more.
        generator: draws them.

    Returns:
        Indices, rising; one and the same number of draws is taken whatever `most` is.
    """
    order = torch.randperm(count, generator=generator)
    return order[:most].sort().values
