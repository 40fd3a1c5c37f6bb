"""The terms of a PINN's loss: the mean squares of residual and misfit, whole or by equation and condition."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from laaf_lightning.derivatives import KnownFactors
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import CollocationBatch
from laaf_lightning.solutions.chunks import sum_in_chunks
from laaf_lightning.solutions.terms.misfits import mean_misfit, misfits_of
from laaf_lightning.solutions.terms.parts import UNWEIGHTED, HowToCompute, LossParts, SquareWeights, weighted


def mean_squares(
    parts: LossParts,
    batch: CollocationBatch,
    known: KnownFactors | None,
    known_at: KnownFactors | None,
    how: HowToCompute,
    weights: SquareWeights = UNWEIGHTED,
) -> tuple[Tensor, ...]:
    """Return the mean of |F|² over the residual points, and of |u − û|² over all points of the conditions.

    Args:
        parts: give residual, fields and conditions.
        batch: residual points, condition points and values.
        known: the factors of hard conditions at the residual points.
        known_at: likewise at the condition points.
        how: how.
        weights: of the squares.

    Returns:
        0-dim tensors: the residual's, and the misfit's, whole or, by name, the parts of the named equations and of each
        condition in the batch; no misfit without conditions.
    """
    points, at, values, counts, normals = batch
    if len(values) == 0:
        return _mean_residual(parts, points, known, how, weights.residual)
    whole = how.chunk_size is None or how.chunk_size >= len(points)
    # Nested autograd makes leaves of points, which compiled code can do for one set only.
    if whole and not how.apart and not (how.run.enabled and how.run.differentiates):
        both: tuple[Tensor, ...] = how.run(
            _both, parts, points, known, at, known_at, values, counts, normals, how.at_once, how.by_name, *weights
        )
        return both
    residual = _mean_residual(parts, points, known, how, weights.residual)
    return (*residual, *how.run(_misfit, parts, at, known_at, values, counts, normals, how.by_name, weights.misfit))


def sum_of_squares(residual: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return Σ|F|² over points and equations.

    Args:
        residual: shape (N, E).
        weights: of the squares, as in `SquareWeights`.

    Returns:
        0-dim.
    """
    return weighted(residual.square(), weights).sum()


def _mean_residual(
    parts: LossParts, points: Tensor, known: KnownFactors | None, how: HowToCompute, weights: Tensor | None
) -> tuple[Tensor, ...]:
    """Return the mean square of all equations, or of each; in chunks each is a sum of its own."""
    equations = parts.equations if how.by_name else 0
    if equations and (how.chunk_size is None or how.chunk_size >= len(points)):
        each: tuple[Tensor, ...] = how.run(_residuals, parts, points, known, weights)
        return tuple(value / len(points) for value in each)
    rows = weights is not None and len(weights) == len(points)

    def mean(column: int | None) -> Tensor:
        def total(points: Tensor, known: KnownFactors | None, /, *own: Tensor) -> Tensor:
            value: Tensor = how.run(_residual, parts, points, known, own[0] if own else weights, column)
            return value

        chunked = sum_in_chunks(total, points, known, how.chunk_size, parts.parameters(), weights if rows else None)
        return chunked / len(points)

    return tuple(mean(column) for column in range(equations)) if equations else (mean(None),)


# Of module level, as `Compiled` needs them.


def _residual(
    parts: LossParts, points: Tensor, known: KnownFactors | None, weights: Tensor | None, column: int | None
) -> Tensor:
    residual = parts.residual(points, known)
    if column is None:
        return sum_of_squares(residual, weights)
    return weighted(residual.square(), weights)[:, column].sum()


def _residuals(
    parts: LossParts, points: Tensor, known: KnownFactors | None, weights: Tensor | None
) -> tuple[Tensor, ...]:
    return _by_equation(parts, parts.residual(points, known), weights)


def _by_equation(parts: LossParts, residual: Tensor, weights: Tensor | None) -> tuple[Tensor, ...]:
    if residual.shape[1] != parts.equations:
        raise ConfigurationError(
            f"the residual has {residual.shape[1]} columns, and the problem names {parts.equations} equations: name "
            "each column in its equations, or none"
        )
    return tuple(column.sum() for column in weighted(residual.square(), weights).unbind(dim=1))


def _misfit(
    parts: LossParts,
    at: Tensor,
    known_at: KnownFactors | None,
    values: Tensor,
    counts: Mapping[str, int],
    normals: Tensor | None,
    by_name: bool,
    weights: Tensor | None,
) -> tuple[Tensor, ...]:
    misfit = misfits_of(parts, parts.field(at, known_at), at, values, counts, normals)
    return mean_misfit(misfit, counts, by_name=by_name, weights=weights)


def _both(
    parts: LossParts,
    points: Tensor,
    known: KnownFactors | None,
    at: Tensor,
    known_at: KnownFactors | None,
    values: Tensor,
    counts: Mapping[str, int],
    normals: Tensor | None,
    at_once: bool,
    by_name: bool,
    weights: Tensor | None,
    weights_at: Tensor | None,
) -> tuple[Tensor, ...]:
    if at_once:
        u, u_at = parts.fields(points, known, at, known_at)
        residual = parts.residual_of(u, points)
    else:
        u_at, residual = None, parts.residual(points, known)
    if by_name and parts.equations:
        means = tuple(value / len(points) for value in _by_equation(parts, residual, weights))
    else:
        means = (sum_of_squares(residual, weights) / len(points),)
    u_at = parts.field(at, known_at) if u_at is None else u_at
    misfit = misfits_of(parts, u_at, at, values, counts, normals)
    return *means, *mean_misfit(misfit, counts, by_name=by_name, weights=weights_at)
