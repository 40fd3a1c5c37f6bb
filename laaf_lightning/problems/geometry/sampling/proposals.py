"""Points by rejection: proposals of which some are kept, until there are enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.geometry.sampling.unit_cube import Sampler, sample_unit_cube

_TRIALS = (256, 4096, 65_536, 1_048_576)  # proposals by which the share of kept ones is found
_SURE = 64  # kept proposals that tell the share well enough
_AT_ONCE, _AT_MOST = 2**20, 2**27
_SEEDS_APART = 7919


class Proposal(NamedTuple):
    """Points that may belong to a shape, or to its boundary.

    Attributes:
        points: shape (N, d), float64.
        keep: which do, truth values, shape (N,).
        normals: outward and of length 1 on a boundary, shape (N, d); None inside.
    """

    points: Tensor
    keep: Tensor
    normals: Tensor | None = None

    def kept(self) -> Proposal:
        """Return those that are kept."""
        normals = None if self.normals is None else self.normals[self.keep]
        return Proposal(self.points[self.keep], self.keep[self.keep], normals)


Propose = Callable[[Tensor], Proposal]


def accepted(propose: Propose, sampler: Sampler, count: int, dimension: int, seed: int, nothing: str) -> Proposal:
    """Draw points, uniform among those that are kept.

    Where all proposals are kept, they are exactly the sampler's. Else more are drawn than needed, and the first are
    taken: the beginning of a Sobol sequence, a random part of a Latin hypercube.

    Args:
        propose: maps points of the unit cube, (N, dimension), to proposals.
        sampler: of the unit cube.
        count: how many points.
        dimension: of the unit cube.
        seed: the same seed gives the same points.
        nothing: what to say where none is kept.

    Returns:
        `count` points.

    Raises:
        ConfigurationError: where none of a million proposals is kept, or so few that it would take for ever.
    """
    first = propose(sample_unit_cube(sampler, count, dimension, seed))
    if first.keep.all():
        return first
    share = kept_share(propose, dimension)
    if share == 0:
        raise ConfigurationError(nothing)
    if count / share > _AT_MOST:
        raise ConfigurationError(
            f"{count} points would take {count / share:.0e} proposals, since only {share:.0e} of the bounding box is "
            "of use: give a closer one, or fewer points"
        )
    parts: list[Proposal] = []
    missing = count
    while missing > 0:
        size = min(math.ceil(1.1 * missing / share) + 16, _AT_ONCE)
        drawn = propose(sample_unit_cube(sampler, size, dimension, seed + _SEEDS_APART * len(parts))).kept()
        parts.append(Proposal(*(None if part is None else part[:missing] for part in drawn)))  # type: ignore[arg-type]
        missing -= len(parts[-1].points)
    normals = None if parts[0].normals is None else torch.cat([part.normals for part in parts])  # type: ignore[misc]
    return Proposal(torch.cat([part.points for part in parts]), torch.cat([part.keep for part in parts]), normals)


def kept_share(propose: Propose, dimension: int) -> float:
    """Find which share of the proposals is kept.

    Args:
        propose: maps points of the unit cube, (N, dimension), to proposals.
        dimension: of the unit cube.

    Returns:
        About the share; 0 where none of a million is kept.
    """
    count = kept = 0
    for count in _TRIALS:
        kept = int(propose(sample_unit_cube("sobol", count, dimension, 0)).keep.sum())
        if kept >= _SURE:
            break
    return kept / count
