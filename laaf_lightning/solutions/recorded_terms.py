"""The terms of a PINN's loss as a CUDA graph."""

from __future__ import annotations

from torch import Tensor, nn

from laaf_lightning.derivatives import KnownFactors
from laaf_lightning.problems import CollocationBatch
from laaf_lightning.solutions.cuda_graphs import CudaGraphs
from laaf_lightning.solutions.loss_terms import mean_squares
from laaf_lightning.solutions.terms.parts import UNWEIGHTED, HowToCompute, LossParts, SquareWeights

Factors = tuple[KnownFactors | None, KnownFactors | None]


def recorded_terms(
    parts: LossParts,
    network: nn.Module,
    graphs: CudaGraphs,
    batch: CollocationBatch,
    factors: Factors,
    how: HowToCompute,
    weights: SquareWeights = UNWEIGHTED,
) -> tuple[Tensor, ...]:
    """Replay the terms and their gradients, recorded at the first call and where something that they read has moved.

    Args:
        parts: give residual, fields and conditions.
        network: whose mode and buffers a recording depends on.
        graphs: holds the recordings.
        batch: residual points, condition points and values.
        factors: those of hard conditions at the residual points and at the condition points.
        how: how terms are computed.
        weights: of the squares.

    Returns:
        As `mean_squares`.
    """
    points, at, values, counts, normals = batch
    (known, known_at), apart = factors, how._replace(apart=True)

    def terms(points: Tensor, at: Tensor, values: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        own, tables = iter(others[: len(given)]), others[len(given) :]
        of_squares = SquareWeights(*(None if each is None else next(own) for each in weights))
        of_points = None if normals is None else next(own)
        inside = None if known is None else known.of_tables(tables[: len(known.tables)])
        outside = None if known_at is None else known_at.of_tables(tables[-len(known_at.tables) :])
        again = CollocationBatch(points, at, values, counts, of_points)
        return mean_squares(parts, again, inside, outside, apart, of_squares)

    given = [each for each in (*weights, normals) if each is not None]
    tables = [table for each in factors if each is not None for table in each.tables]
    trained: list[nn.Parameter] = []
    read: list[Tensor] = [*network.buffers(), *parts.units.buffers()]
    for parameter in parts.parameters():
        (trained if parameter.requires_grad else read).append(parameter)
    weighted = tuple(each is not None for each in weights)
    key = network.training, how.by_name, weighted, *counts.items(), *(tensor.data_ptr() for tensor in read)
    return graphs(terms, [points, at, values, *given, *tables], trained, key)
