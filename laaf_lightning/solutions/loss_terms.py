"""The terms of a PINN's loss: the mean squares of residual and misfit, whole or by equation and condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import Field, KnownFactors
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import CollocationBatch, ConditionSet
from laaf_lightning.solutions.chunks import sum_in_chunks
from laaf_lightning.solutions.compiled_calls import Compiled
from laaf_lightning.solutions.scales.term_units import TermUnits


@dataclass(frozen=True)
class LossParts:
    """What terms are computed of; nothing is looked at or chosen anew here.

    Attributes:
        conditions: the conditions.
        residual: maps points (N, d), and the factors of hard conditions there, to the residual (N, E) in its units.
        field: maps points (M, d) and factors to u with the derivatives that the conditions ask for.
        fields: gives u for the residual, and u for the conditions, from one call.
        residual_of: maps a field and its points (N, d) to the residual (N, E) in its units.
        parameters: lists what is trained.
        coefficients: gives the unknown coefficients by name.
        units: what the misfit is measured in.
        equations: how many equations have names; 0 where none has.
    """

    conditions: ConditionSet
    residual: Callable[[Tensor, KnownFactors | None], Tensor]
    field: Callable[[Tensor, KnownFactors | None], Field]
    fields: Callable[[Tensor, KnownFactors | None, Tensor, KnownFactors | None], tuple[Field, Field]]
    residual_of: Callable[[Field, Tensor], Tensor]
    parameters: Callable[[], Iterable[nn.Parameter]]
    coefficients: Callable[[], dict[str, Tensor]]
    units: TermUnits
    equations: int = 0


class HowToCompute(NamedTuple):
    """How terms are computed, which changes none of them but for rounding.

    Attributes:
        run: calls functions, compiled or not.
        chunk_size: most residual points at a time; None for all.
        at_once: whether one call gives the residual's field and the conditions'.
        by_name: whether each condition has a term, and each of several named equations, else there is one for all.
        apart: whether residual and misfit come from functions of their own, as gradients of each term alone need where
            they are compiled.
    """

    run: Compiled
    chunk_size: int | None = None
    at_once: bool = False
    by_name: bool = False
    apart: bool = False


class SquareWeights(NamedTuple):
    """What the squares of residual and misfit are multiplied by, before they are summed.

    Attributes:
        residual: shape (N, 1), (1, E) or (N, E); None for 1.
        misfit: shape (N_u, 1); None for 1.
    """

    residual: Tensor | None = None
    misfit: Tensor | None = None


UNWEIGHTED = SquareWeights()


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
    return _weighted(residual.square(), weights).sum()


def misfits(
    conditions: ConditionSet,
    units: TermUnits,
    u: Field,
    at: Tensor,
    values: Tensor,
    counts: Mapping[str, int],
    normals: Tensor | None,
    coefficients: Mapping[str, Tensor],
) -> Tensor:
    """Return u − û at the points of all conditions, in their units.

    Args:
        conditions: whose operators are applied to u.
        units: what their misfit is measured in.
        u: at the points of all conditions, and their partners after these.
        at: these points, with the partners.
        values: û, shape (N_u, 1).
        counts: how many of the N_u belong to each condition; empty if all are values of u itself.
        normals: at the N_u points; None where no operator takes them.
        coefficients: the unknown coefficients by name.

    Returns:
        Shape (N_u, E), E being the largest number of columns of an operator.
    """
    given = conditions.values(u, counts, at, normals, coefficients)
    if counts and given.shape[1] > 1:  # of operators of several columns, which prescribe zeros
        values = torch.nn.functional.pad(values, (0, given.shape[1] - 1))
    return units.of_misfit(given - values, counts)


def misfits_of(
    parts: LossParts, u: Field, at: Tensor, values: Tensor, counts: Mapping[str, int], normals: Tensor | None
) -> Tensor:
    """Return the misfits with the conditions, units and coefficients of a solution.

    Args:
        parts: have these.
        u: as for `misfits`.
        at: likewise.
        values: likewise.
        counts: likewise.
        normals: likewise.

    Returns:
        Shape (N_u, E).
    """
    return misfits(parts.conditions, parts.units, u, at, values, counts, normals, parts.coefficients())


def mean_misfit(
    misfit: Tensor, counts: Mapping[str, int], *, by_name: bool = False, weights: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Return the mean of |u − û|² over all points of all conditions.

    Args:
        misfit: u − û, shape (N_u, E).
        counts: how many of the N_u belong to each condition; empty if all are values of u itself.
        by_name: whether to give each condition's part of it, all of which add up to the whole.
        weights: of the squares, shape (N_u, 1); None for 1.

    Returns:
        One 0-dim tensor; by name, one for each condition in `counts`.
    """
    squares = _weighted(misfit.square(), weights)
    if not by_name or not counts:
        return (squares.sum() / len(misfit),)
    return tuple(own.sum() / len(misfit) for own in squares.split([*counts.values()]))


def _weighted(squares: Tensor, weights: Tensor | None) -> Tensor:
    return squares if weights is None else squares * weights


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
    return _weighted(residual.square(), weights)[:, column].sum()


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
    return tuple(column.sum() for column in _weighted(residual.square(), weights).unbind(dim=1))


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
