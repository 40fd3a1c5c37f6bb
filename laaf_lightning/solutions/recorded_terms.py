"""The terms of a PINN's loss as a CUDA graph."""

from __future__ import annotations

from torch import Tensor, nn

from laaf_lightning.derivatives import KnownFactors
from laaf_lightning.problems import CollocationBatch
from laaf_lightning.solutions.cuda_graphs import CudaGraphs
from laaf_lightning.solutions.loss_terms import HowToCompute, LossParts, mean_squares

Factors = tuple[KnownFactors | None, KnownFactors | None]


def recorded_terms(
    parts: LossParts,
    network: nn.Module,
    graphs: CudaGraphs,
    batch: CollocationBatch,
    factors: Factors,
    how: HowToCompute,
) -> tuple[Tensor, ...]:
    """Replay the terms and their gradients, recorded at the first call and where something that they read has moved.

    Args:
        parts: give residual, fields and conditions.
        network: whose mode and buffers a recording depends on.
        graphs: holds the recordings.
        batch: residual points, condition points and values.
        factors: those of hard conditions at the residual points and at the condition points.
        how: how terms are computed.

    Returns:
        As `mean_squares`.
    """
    points, at, values, counts, normals = batch
    (known, known_at), apart = factors, how._replace(apart=True)
    with_normals = [] if normals is None else [normals]

    def terms(points: Tensor, at: Tensor, values: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        tables, normals = others[len(with_normals) :], others[0] if with_normals else None
        inside = None if known is None else known.of_tables(tables[: len(known.tables)])
        outside = None if known_at is None else known_at.of_tables(tables[-len(known_at.tables) :])
        return mean_squares(parts, CollocationBatch(points, at, values, counts, normals), inside, outside, apart)

    tables = [table for each in factors if each is not None for table in each.tables]
    trained: list[nn.Parameter] = []
    read: list[Tensor] = [*network.buffers()]
    for parameter in parts.parameters():
        (trained if parameter.requires_grad else read).append(parameter)
    key = network.training, how.by_name, *counts.items(), *(tensor.data_ptr() for tensor in read)
    return graphs(terms, [points, at, values, *with_normals, *tables], trained, key)
