"""The values of a loss's terms by name, for logs: computed apart from the loss, without gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from laaf_lightning.derivatives import KnownFactors
from laaf_lightning.problems import CollocationBatch
from laaf_lightning.solutions.terms.misfits import mean_misfit, misfits_of
from laaf_lightning.solutions.terms.parts import LossParts

_POINTS_AT_A_TIME = 10_000


def values_by_name(
    parts: LossParts,
    batch: CollocationBatch,
    known: KnownFactors | None,
    known_at: KnownFactors | None,
    size: int | None,
    equations: Sequence[str],
    *,
    records: bool,
) -> dict[str, Tensor]:
    """Return the terms of some equations and of all conditions, without weights.

    Args:
        parts: give residual, fields and conditions.
        batch: residual points, condition points and values.
        known: the factors of hard conditions at the residual points.
        known_at: likewise at the condition points.
        size: most residual points at a time; None for a number that suits most machines.
        equations: names of the residual's columns, one name for all of them together, or none, which asks for none.
        records: whether the residual needs a graph to be computed.

    Returns:
        0-dim tensors, detached; ``"data"`` for values of u that belong to no condition.
    """
    values: dict[str, Tensor] = {}
    if equations:
        means = _mean_squares(parts, batch.residual_points, known, size or _POINTS_AT_A_TIME, records=records)
        values = dict(zip(equations, means if parts.equations else [means.sum()], strict=True))
    if not len(batch.condition_values):
        return values
    with torch.no_grad():
        _, at, given, counts, normals = batch
        misfit = misfits_of(parts, parts.field(at, known_at), at, given, counts, normals)
        own = mean_misfit(misfit, counts, by_name=True)
    return values | dict(zip([*counts] or ["data"], own, strict=True))


def _mean_squares(parts: LossParts, points: Tensor, known: KnownFactors | None, size: int, *, records: bool) -> Tensor:
    """Return the mean square of each equation's residual, shape (E,)."""
    sums: list[Tensor] = []
    for start in range(0, len(points), size):
        here = None if known is None else known.rows(start, start + size)
        with torch.set_grad_enabled(records):
            residual = parts.residual(points[start : start + size], here).detach()
        sums.append(residual.square().sum(dim=0))
    return torch.stack(sums).sum(dim=0) / len(points)
