"""The two sums of squares of a PINN's loss: its residual's and its conditions' misfit's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from laaf_lightning.data import CollocationBatch
from laaf_lightning.derivatives import Field, KnownFactors
from laaf_lightning.modules.chunks import sum_in_chunks
from laaf_lightning.modules.compiled import Compiled

if TYPE_CHECKING:
    from laaf_lightning.modules.pinn import PINN


def sums_of_squares(
    pinn: PINN, batch: CollocationBatch, run: Compiled, chunk_size: int | None, *, at_once: bool
) -> tuple[Tensor, Tensor]:
    """Return Σ|F|² over the residual points and Σ|u − û|² over the conditions.

    Args:
        pinn: gives residual, fields and conditions.
        batch: residual points, condition points and values.
        run: calls functions, compiled or not.
        chunk_size: most residual points at a time; None for all.
        at_once: whether `PINN.fields` may stand for `PINN.residual`'s own field and the conditions'.

    Returns:
        Two tensors, 0-dim; the second is 0 without conditions.
    """
    points, at, values, counts = batch
    known = pinn.known_factors(points)
    whole = chunk_size is None or chunk_size >= len(points)
    if len(values) == 0:
        return _in_chunks(pinn, points, known, run, chunk_size), points.new_zeros(())
    known_at = pinn.known_factors(at)
    # Nested autograd makes leaves of points, which compiled code can do for one set only.
    if whole and not (run.enabled and run.differentiates):
        both = _both_at_once if at_once else _both
        squares: tuple[Tensor, Tensor] = run(both, pinn, points, known, at, known_at, values, counts)
        return squares
    return _in_chunks(pinn, points, known, run, chunk_size), run(_misfit, pinn, at, known_at, values, counts)


def _in_chunks(pinn: PINN, points: Tensor, known: KnownFactors | None, run: Compiled, size: int | None) -> Tensor:
    return sum_in_chunks(lambda *part: run(_residual, pinn, *part), points, known, size, pinn.parameters())


# Of module level, as `Compiled` needs them.


def _residual(pinn: PINN, points: Tensor, known: KnownFactors | None) -> Tensor:
    return pinn.residual(points, known).square().sum()


def _misfit(pinn: PINN, at: Tensor, known_at: KnownFactors | None, values: Tensor, counts: Mapping[str, int]) -> Tensor:
    return _squared_misfit(pinn, pinn.field(at, known_at, at_conditions=True), values, counts)


def _both(
    pinn: PINN,
    points: Tensor,
    known: KnownFactors | None,
    at: Tensor,
    known_at: KnownFactors | None,
    values: Tensor,
    counts: Mapping[str, int],
) -> tuple[Tensor, Tensor]:
    return _residual(pinn, points, known), _misfit(pinn, at, known_at, values, counts)


def _both_at_once(
    pinn: PINN,
    points: Tensor,
    known: KnownFactors | None,
    at: Tensor,
    known_at: KnownFactors | None,
    values: Tensor,
    counts: Mapping[str, int],
) -> tuple[Tensor, Tensor]:
    u, u_at = pinn.fields(points, at, known, known_at)
    return pinn.residual_of(u, points).square().sum(), _squared_misfit(pinn, u_at, values, counts)


def _squared_misfit(pinn: PINN, u: Field, values: Tensor, counts: Mapping[str, int]) -> Tensor:
    return (pinn.conditions.values(u, counts) - values).square().sum()
