"""By how much u misses what conditions prescribe."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.problems import ConditionSet
from laaf_lightning.solutions.scales.term_units import TermUnits
from laaf_lightning.solutions.terms.parts import LossParts, weighted


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
    squares = weighted(misfit.square(), weights)
    if not by_name or not counts:
        return (squares.sum() / len(misfit),)
    return tuple(own.sum() / len(misfit) for own in squares.split([*counts.values()]))
