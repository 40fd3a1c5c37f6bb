"""The terms of a PINN's loss: the mean square of the residual, and what each condition adds to that of the misfit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import Field, KnownFactors
from laaf_lightning.problems import CollocationBatch, ConditionSet
from laaf_lightning.solutions.chunks import sum_in_chunks
from laaf_lightning.solutions.compiled_calls import Compiled
from laaf_lightning.solutions.scales.term_units import TermUnits


@dataclass(frozen=True)
class LossParts:
    """What terms are computed of; nothing is looked at or chosen anew here.

    Attributes:
        conditions: the conditions.
        residual: maps points (N, d), and the factors of hard conditions there, to the residual (N, E).
        field: maps points (M, d) and factors to u with the derivatives that the conditions ask for.
        fields: gives u for the residual, and u for the conditions, from one call.
        residual_of: maps a field and its points (N, d) to the residual (N, E).
        parameters: lists what is trained.
        coefficients: gives the unknown coefficients by name.
        units: what residual and misfit are measured in.
    """

    conditions: ConditionSet
    residual: Callable[[Tensor, KnownFactors | None], Tensor]
    field: Callable[[Tensor, KnownFactors | None], Field]
    fields: Callable[[Tensor, KnownFactors | None, Tensor, KnownFactors | None], tuple[Field, Field]]
    residual_of: Callable[[Field, Tensor], Tensor]
    parameters: Callable[[], Iterable[nn.Parameter]]
    coefficients: Callable[[], dict[str, Tensor]]
    units: TermUnits


class HowToCompute(NamedTuple):
    """How terms are computed, which changes none of them but for rounding.

    Attributes:
        run: calls functions, compiled or not.
        chunk_size: most residual points at a time; None for all.
        at_once: whether one call gives the residual's field and the conditions'.
        by_name: whether each condition has a term, else there is one for all.
        apart: whether residual and misfit come from functions of their own, as gradients of each term alone need where
            they are compiled.
    """

    run: Compiled
    chunk_size: int | None = None
    at_once: bool = False
    by_name: bool = False
    apart: bool = False


def mean_squares(
    parts: LossParts,
    batch: CollocationBatch,
    known: KnownFactors | None,
    known_at: KnownFactors | None,
    how: HowToCompute,
) -> tuple[Tensor, ...]:
    """Return the mean of |F|² over the residual points, and of |u − û|² over all points of the conditions.

    Args:
        parts: give residual, fields and conditions.
        batch: residual points, condition points and values.
        known: the factors of hard conditions at the residual points.
        known_at: likewise at the condition points.
        how: how.

    Returns:
        0-dim tensors: the residual's, and the misfit's, whole or, by name, the part of each condition in the batch; no
        misfit without conditions.
    """
    points, at, values, counts, normals = batch
    if len(values) == 0:
        return (_mean_residual(parts, points, known, how),)
    whole = how.chunk_size is None or how.chunk_size >= len(points)
    # Nested autograd makes leaves of points, which compiled code can do for one set only.
    if whole and not how.apart and not (how.run.enabled and how.run.differentiates):
        both: tuple[Tensor, ...] = how.run(
            _both, parts, points, known, at, known_at, values, counts, normals, how.at_once, how.by_name
        )
        return both
    residual = _mean_residual(parts, points, known, how)
    return (residual, *how.run(_misfit, parts, at, known_at, values, counts, normals, how.by_name))


def sum_of_squares(residual: Tensor) -> Tensor:
    """Return Σ|F|² over points and equations.

    Args:
        residual: shape (N, E).

    Returns:
        0-dim.
    """
    return residual.square().sum()


def misfit_of(
    conditions: ConditionSet,
    units: TermUnits,
    u: Field,
    values: Tensor,
    counts: Mapping[str, int],
    at: Tensor,
    normals: Tensor | None,
    coefficients: Mapping[str, Tensor],
    *,
    by_name: bool = False,
) -> tuple[Tensor, ...]:
    """Return the mean of |u − û|² over all points of all conditions.

    Args:
        conditions: whose operators are applied to u.
        units: what their misfit is measured in.
        u: at the points of all conditions, and their partners after these.
        values: û, shape (N_u, 1).
        counts: how many of the N_u belong to each condition; empty if all are values of u itself.
        at: where u is, the points of all conditions and their partners, shape (M, d).
        normals: at the points, without partners, shape (N_u, d); None where no condition asks for them.
        coefficients: the unknown ones, by name.
        by_name: whether to give each condition's part of it, all of which add up to the whole.

    Returns:
        One 0-dim tensor; by name, one for each condition in `counts`.
    """
    given = conditions.values(u, counts, at, normals, coefficients)
    if counts and given.shape[1] > 1:  # of operators of several columns, which prescribe zeros
        values = torch.nn.functional.pad(values, (0, given.shape[1] - 1))
    squares = units.of_misfit(given - values, counts).square()
    if not by_name or not counts:
        return (squares.sum() / len(values),)
    return tuple(own.sum() / len(values) for own in squares.split([*counts.values()]))


def _mean_residual(parts: LossParts, points: Tensor, known: KnownFactors | None, how: HowToCompute) -> Tensor:
    def total(points: Tensor, known: KnownFactors | None) -> Tensor:
        value: Tensor = how.run(_residual, parts, points, known)
        return value

    return sum_in_chunks(total, points, known, how.chunk_size, parts.parameters()) / len(points)


# Of module level, as `Compiled` needs them.


def _residual(parts: LossParts, points: Tensor, known: KnownFactors | None) -> Tensor:
    return sum_of_squares(parts.units.of_residual(parts.residual(points, known)))


def _misfit(
    parts: LossParts,
    at: Tensor,
    known_at: KnownFactors | None,
    values: Tensor,
    counts: Mapping[str, int],
    normals: Tensor | None,
    by_name: bool,
) -> tuple[Tensor, ...]:
    u, coefficients = parts.field(at, known_at), parts.coefficients()
    return misfit_of(parts.conditions, parts.units, u, values, counts, at, normals, coefficients, by_name=by_name)


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
) -> tuple[Tensor, ...]:
    if not at_once:
        misfit = _misfit(parts, at, known_at, values, counts, normals, by_name)
        return _residual(parts, points, known) / len(points), *misfit
    u, u_at = parts.fields(points, known, at, known_at)
    residual = sum_of_squares(parts.units.of_residual(parts.residual_of(u, points))) / len(points)
    coefficients = parts.coefficients()
    misfit = misfit_of(parts.conditions, parts.units, u_at, values, counts, at, normals, coefficients, by_name=by_name)
    return residual, *misfit
