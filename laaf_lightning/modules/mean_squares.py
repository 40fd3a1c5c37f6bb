"""The two mean squares of a PINN's loss: its residual's and its conditions' misfit's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from laaf_lightning.data import CollocationBatch
from laaf_lightning.derivatives import Field, KnownFactors
from laaf_lightning.solutions.chunks import sum_in_chunks
from laaf_lightning.solutions.compiled_calls import Compiled
from laaf_lightning.solutions.cuda_graphs import CudaGraphs

if TYPE_CHECKING:
    from laaf_lightning.modules.pinn import PINN


def mean_squares(
    pinn: PINN,
    batch: CollocationBatch,
    run: Compiled,
    chunk_size: int | None,
    *,
    at_once: bool,
    graphs: CudaGraphs | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the mean of |F|² over the residual points and of |u − û|² over the conditions.

    Args:
        pinn: gives residual, fields and conditions.
        batch: residual points, condition points and values.
        run: calls functions, compiled or not.
        chunk_size: most residual points at a time; None for all.
        at_once: whether `PINN.fields` may stand for `PINN.residual`'s own field and the conditions'.
        graphs: records both means and their gradients on the GPU; None computes them anew.

    Returns:
        Two tensors, 0-dim; the second is 0 without conditions.
    """
    if graphs is not None and torch.is_grad_enabled() and any(p.requires_grad for p in pinn.parameters()):
        return _recorded(pinn, batch, run, chunk_size, graphs)
    points, at, values, counts = batch
    known = pinn.known_factors(points)
    whole = chunk_size is None or chunk_size >= len(points)
    if len(values) == 0:
        return _mean_residual(pinn, points, known, run, chunk_size), points.new_zeros(())
    known_at = pinn.known_factors(at)
    # Nested autograd makes leaves of points, which compiled code can do for one set only.
    if whole and not (run.enabled and run.differentiates):
        squares: tuple[Tensor, Tensor] = run(_both, pinn, points, known, at, known_at, values, counts, at_once)
        return squares
    residual = _mean_residual(pinn, points, known, run, chunk_size)
    return residual, run(_misfit, pinn, at, known_at, values, counts)


def _recorded(
    pinn: PINN, batch: CollocationBatch, run: Compiled, chunk_size: int | None, graphs: CudaGraphs
) -> tuple[Tensor, Tensor]:
    points, at, values, counts = batch
    known, known_at = pinn.known_factors(points), pinn.known_factors(at) if len(values) else None

    def terms(points: Tensor, at: Tensor, values: Tensor, *tables: Tensor) -> tuple[Tensor, ...]:
        inside = known if known is None else known.of_tables(tables[: len(known.tables)])
        residual = _mean_residual(pinn, points, inside, run, chunk_size)
        if len(values) == 0:
            return (residual,)
        conditions = known_at if known_at is None else known_at.of_tables(tables[-len(known_at.tables) :])
        # Two functions, since compiled ones cannot give the gradients of one term alone without computing both.
        return residual, run(_misfit, pinn, at, conditions, values, counts)

    tables = [table for factors in (known, known_at) if factors is not None for table in factors.tables]
    trained: list[nn.Parameter] = []
    read: list[Tensor] = [*pinn.network.buffers()]
    for parameter in pinn.parameters():
        (trained if parameter.requires_grad else read).append(parameter)
    key = pinn.training, *counts.items(), *(tensor.data_ptr() for tensor in read)
    found = graphs(terms, [points, at, values, *tables], trained, key)
    return found[0], found[1] if len(values) else points.new_zeros(())


def _mean_residual(pinn: PINN, points: Tensor, known: KnownFactors | None, run: Compiled, size: int | None) -> Tensor:
    total = sum_in_chunks(lambda *part: run(_residual, pinn, *part), points, known, size, pinn.parameters())
    return total / len(points)


# Of module level, as `Compiled` needs them.


def _residual(pinn: PINN, points: Tensor, known: KnownFactors | None) -> Tensor:
    return pinn.residual(points, known).square().sum()


def _misfit(pinn: PINN, at: Tensor, known_at: KnownFactors | None, values: Tensor, counts: Mapping[str, int]) -> Tensor:
    return _mean_misfit(pinn, pinn.field(at, known_at, at_conditions=True), values, counts)


def _both(
    pinn: PINN,
    points: Tensor,
    known: KnownFactors | None,
    at: Tensor,
    known_at: KnownFactors | None,
    values: Tensor,
    counts: Mapping[str, int],
    at_once: bool,
) -> tuple[Tensor, Tensor]:
    if not at_once:
        return _residual(pinn, points, known) / len(points), _misfit(pinn, at, known_at, values, counts)
    u, u_at = pinn.fields(points, at, known, known_at)
    return pinn.residual_of(u, points).square().sum() / len(points), _mean_misfit(pinn, u_at, values, counts)


def _mean_misfit(pinn: PINN, u: Field, values: Tensor, counts: Mapping[str, int]) -> Tensor:
    return (pinn.conditions.values(u, counts) - values).square().sum() / len(values)
