"""Points on the initial, boundary and data conditions of a problem."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import NamedTuple, SupportsIndex

import torch
from torch import Tensor

from laaf_lightning.data.points.sampling import Sampler, sample_box
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE, Condition, PointData

_SEEDS_APART = 1000


class ConditionPoints(NamedTuple):
    """Points of all conditions, one condition after the other.

    Attributes:
        points: shape (N_u, d), float64.
        values: what is prescribed there, (N_u, 1), float64.
        owners: the index of each point's condition, (N_u,), rising.
    """

    points: Tensor
    values: Tensor
    owners: Tensor


def condition_counts(problem: PDE, counts: int | Mapping[str, int]) -> dict[str, int]:
    """Give each condition its number of points, in the problem's order, on which its random numbers depend.

    Args:
        problem: the equation with its conditions.
        counts: one number for all conditions on faces, or one for each; measured data are all taken, and may be left
            out of the mapping, or be switched off by a 0 in it.

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
    measured = {name: len(data.points) for name, data in conditions.items() if isinstance(data, PointData)}
    requested, one_for_each = _requested(conditions, counts), isinstance(counts, Mapping)
    for name, count in requested.items():
        problem.condition(name)  # refuses an unknown one
        if count < 0:
            raise ConfigurationError(f"{name}={count} points on the condition {name!r}: must be >= 0")
        if one_for_each and name in measured and count not in {0, measured[name]}:
            raise ConfigurationError(
                f"{name}={count} points on the condition {name!r}, which holds {measured[name]} measurements: leave it "
                "out for all of them, or give 0 for none"
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
    dimension = len(problem.coordinates)
    points, values, owners = [torch.empty(0, dimension).double()], [torch.empty(0, 1).double()], []
    for index, (name, count) in enumerate(counts.items()):
        if count == 0:
            owners.append(0)
            continue
        condition = problem.condition(name)
        box = sample_box(problem, sampler, count, seed + _SEEDS_APART * (index + 1))
        placed = condition.place(box, problem.coordinates).double()
        points.append(placed)
        values.append(_values(condition, placed))
        owners.append(len(placed))
    owner = torch.repeat_interleave(torch.arange(len(owners)), torch.tensor(owners, dtype=torch.long))
    return ConditionPoints(torch.cat(points), torch.cat(values), owner)


def partner_points(problem: PDE, points: Tensor, counts: Mapping[str, int]) -> Tensor:
    """Return the partners of those points whose conditions compare two.

    Args:
        problem: the equation with its conditions.
        points: one condition after the other, (N_u, d).
        counts: number of points of each.

    Returns:
        Shape (M, d), M ≤ N_u.
    """
    partners = [points[:0]]
    for (name, _), part in zip(counts.items(), points.split(list(counts.values())), strict=True):
        opposite = problem.condition(name).partners(part, problem.coordinates)
        if opposite is not None:
            partners.append(opposite)
    return torch.cat(partners)


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
