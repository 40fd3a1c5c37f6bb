"""The boundary of a shape that is made of two others."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.geometry.sampled import SampledRegion
from laaf_lightning.problems.geometry.sampling.proposals import Proposal

_STEP = 1e-5  # of a shape's size, by which the two sides of its boundary are told apart; wider than the tolerance
_DIAGONALS = 3  # coordinates, up to which all directions are tried


def combined_boundary(whole: SampledRegion, first: SampledRegion, second: SampledRegion, unit: Tensor) -> Proposal:
    """Map points of the unit cube to the boundaries of two shapes, and tell which are on the boundary of the whole.

    A point counts if one side of it is inside the whole and the other is not, and, of the second shape, only where the
    first has no boundary: so that parts that both have count once, or not at all where they lie inside.

    Args:
        whole: what is made of both.
        first: one shape.
        second: the other.
        unit: shape (N, d), in [0, 1); the first coordinate tells the shape and what is left of it the place.

    Returns:
        Points, which are on the boundary of the whole, and its outward normals.

    Raises:
        ConfigurationError: for a shape whose boundary has no normals.
    """
    share = first.proposed_area / (first.proposed_area + second.proposed_area)
    of_first = unit[:, 0] < share
    chosen = torch.where(of_first, unit[:, 0] / share, (unit[:, 0] - share) / (1 - share)).clamp(0, 1 - 2**-53)
    unit = torch.cat([chosen[:, None], unit[:, 1:]], dim=1)
    points, normals = torch.zeros_like(unit), torch.zeros_like(unit)
    keep = torch.zeros(len(unit), dtype=torch.bool)
    for shape, other, rows in ((first, None, of_first), (second, first, ~of_first)):
        drawn = shape.propose_boundary(unit[rows])
        if drawn.normals is None:
            raise ConfigurationError(
                f"the boundary of {type(shape).__name__} is given by points without normals, which combining it "
                "takes: give normals, shape (M, d), beside them"
            )
        length = torch.linalg.vector_norm(drawn.normals / shape.widths, dim=1, keepdim=True)
        behind, before = (drawn.points + sign * _STEP * drawn.normals / length for sign in (-1, 1))
        inside_behind, inside_before = whole.depth(behind) > 0, whole.depth(before) > 0
        kept = drawn.keep & (inside_behind != inside_before)
        if other is not None:
            kept &= (other.depth(behind) > 0) == (other.depth(before) > 0)
        points[rows], keep[rows] = drawn.points, kept
        normals[rows] = torch.where(inside_before[:, None], -drawn.normals, drawn.normals)
    return Proposal(points, keep, normals)


def touches_inside(whole: SampledRegion, points: Tensor) -> Tensor:
    """Tell which points on the boundaries of a whole's parts are on its own, and not on a seam that nothing is left of.

    Args:
        whole: what is made of two shapes.
        points: shape (N, d), at depth 0.

    Returns:
        Truth values, shape (N,): whether a point nearby is inside.
    """
    touches = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    for way in _ways(len(whole.coordinates)):
        touches |= whole.depth(points.double() + (_STEP * way * whole.widths).to(points.device)) > 0
    return touches


def _ways(dimension: int) -> list[Tensor]:
    if dimension > _DIAGONALS:
        return [sign * axis for axis in torch.eye(dimension, dtype=torch.float64) for sign in (-1.0, 1.0)]
    return [torch.tensor(way, dtype=torch.float64) for way in itertools.product((-1.0, 0.0, 1.0), repeat=dimension)]
