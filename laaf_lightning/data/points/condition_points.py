"""Points on the initial, boundary and data conditions of a problem."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import NamedTuple, SupportsIndex

import torch
from torch import Tensor

from laaf_lightning.data.points.sampling import Sampler
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE, Condition, PointData, asks_for_normals, check_points

_SEEDS_APART = 1000


class ConditionPoints(NamedTuple):
    """Points of all conditions, one condition after the other.

    Attributes:
        points: shape (N_u, d), float64.
        values: what is prescribed there, (N_u, 1), float64.
        owners: the index of each point's condition, (N_u,), rising.
        partners: a second point for each where its condition pairs points, else the point again, (N_u, d), float64.
        normals: outward unit normals, (N_u, d), float64, zero where a place has none; None where no condition asks.
    """

    points: Tensor
    values: Tensor
    owners: Tensor
    partners: Tensor
    normals: Tensor | None = None


def condition_counts(problem: PDE, counts: int | Mapping[str, int]) -> dict[str, int]:
    """Give each condition its number of points, in the problem's order, on which its random numbers depend.

    Args:
        problem: the equation with its conditions.
        counts: one number for all conditions whose points are drawn, or one for each; measured data and other points
            of one's own are all taken, and may be left out of the mapping, or be switched off by a 0 in it.

    Returns:
        Number of points by condition.

    Raises:
        ConfigurationError: for a problem without conditions, negative, missing or unknown counts, or no point at
            all.
    """
    conditions = {condition.name: condition for condition in problem.conditions()}
    if not conditions and problem.ansatz() is None:
        raise ConfigurationError(
            f"{type(problem).__name__} has no conditions: give it at least one, or an ansatz that meets them"
        )
    sizes = {name: condition.size(problem.geometry) for name, condition in conditions.items()}
    measured = {name: size for name, size in sizes.items() if size is not None}
    requested, one_for_each = _requested(conditions, counts), isinstance(counts, Mapping)
    for name, count in requested.items():
        problem.condition(name)  # refuses an unknown one
        if count < 0:
            raise ConfigurationError(f"{name}={count} points on the condition {name!r}: must be >= 0")
        if one_for_each and name in measured and count not in {0, measured[name]}:
            kind = "measurements" if isinstance(conditions[name], PointData) else "points of its own"
            raise ConfigurationError(
                f"{name}={count} points on the condition {name!r}, which holds {measured[name]} {kind}: leave it out "
                "for all of them, or give 0 for none"
            )
    if missing := [name for name in conditions if name not in requested and name not in measured]:
        raise ConfigurationError(
            f"num_condition={requested} lacks {', '.join(missing)}: name all of {', '.join(conditions)}; "
            "0 leaves one out"
        )
    switched_off = {name for name, count in requested.items() if count == 0 and one_for_each}
    chosen = {name: measured.get(name, requested.get(name, 0)) * (name not in switched_off) for name in conditions}
    if conditions and not any(chosen.values()):
        raise ConfigurationError(f"num_condition={requested} has no point: at least one condition needs some")
    return chosen


def draw_condition_points(problem: PDE, counts: Mapping[str, int], sampler: Sampler, seed: int) -> ConditionPoints:
    """Draw the points on all conditions.

    Args:
        problem: the equation with its conditions.
        counts: number of points of each, as `condition_counts` returns them.
        sampler: how the box is sampled.
        seed: of all conditions; each has random numbers of its own.

    Returns:
        The points.

    Raises:
        ConfigurationError: if a condition's values are not one number for each point, or not finite.
    """
    nothing = torch.empty(0, len(problem.coordinates)).double()
    points, values, partners, normals, owners = [nothing], [nothing[:, :1]], [nothing], [nothing], []
    asked_for = False
    for index, (name, count) in enumerate(counts.items()):
        if count == 0:
            owners.append(0)
            continue
        condition = problem.condition(name)
        drawn = condition.draw(problem.geometry, count, sampler, seed + _SEEDS_APART * (index + 1))
        if type(condition).place is not Condition.place:  # what it gives was tried at a few points only
            check_points(problem, drawn.points, f"the condition {name!r} of {type(problem).__name__}")
        points.append(drawn.points)
        values.append(_values(condition, drawn.points))
        partners.append(drawn.points if drawn.partners is None else drawn.partners)
        normals.append(torch.zeros_like(drawn.points) if drawn.normals is None else drawn.normals)
        asked_for |= asks_for_normals(problem, condition)
        owners.append(len(drawn.points))
    owner = torch.repeat_interleave(torch.arange(len(owners)), torch.tensor(owners, dtype=torch.long))
    return ConditionPoints(
        torch.cat(points), torch.cat(values), owner, torch.cat(partners), torch.cat(normals) if asked_for else None
    )


def paired_partners(problem: PDE, partners: Tensor, counts: Mapping[str, int]) -> Tensor:
    """Return the partners of those points whose conditions compare two.

    Args:
        problem: the equation with its conditions.
        partners: of all points, one condition after the other, (N_u, d).
        counts: number of points of each.

    Returns:
        Shape (M, d), M ≤ N_u.
    """
    parts = zip(counts, partners.split(list(counts.values())), strict=True)
    return torch.cat([partners[:0], *(part for name, part in parts if problem.condition(name).pairs_points)])


def _requested(names: Iterable[str], counts: object) -> dict[str, int]:
    """Give each condition that is asked for its whole number, of Python's kind, and refuse what is none."""
    if isinstance(counts, Mapping):
        for name, count in counts.items():
            if not isinstance(count, SupportsIndex):
                raise ConfigurationError(
                    f"{name}={count!r} points on the condition {name!r}: must be a whole number >= 0"
                )
        return {name: operator.index(count) for name, count in counts.items()}
    if isinstance(counts, SupportsIndex):
        return dict.fromkeys(names, operator.index(counts))
    example = ", ".join(f"{name!r}: 200" for name in names)
    raise ConfigurationError(
        f"num_condition={counts!r} must be a whole number for all conditions, or one for each, {{{example}}}"
    )


def _values(condition: Condition, points: Tensor) -> Tensor:
    """Ask a condition what it prescribes, and refuse what cannot be trained on."""
    values = condition.prescribed(points)
    if not values.isfinite().all():
        worst = points[int((~values.isfinite()).flatten().nonzero()[0])].tolist()
        raise ConfigurationError(f"the condition {condition.name!r} gives values that are not finite, as at {worst}")
    return values.double()
