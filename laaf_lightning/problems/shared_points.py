"""Points at which two conditions hold, such as the corner where their faces meet."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.places import OnFace
from laaf_lightning.problems.geometry import Box, Face, Geometry

_PROBES, _DRAWN = 5, 64
_CLOSE = 1e-6


def shared_points(geometry: Geometry, one: Condition, other: Condition) -> Tensor:
    """Find points at which both of two conditions hold.

    Args:
        geometry: the domain.
        one: a condition without partners.
        other: another.

    Returns:
        Some of them, shape (N, d), float64; N may be 0, also where they only touch in a point that no face tells.
    """
    faces = [None if _is_own(each) or each._place is None else each._place.face for each in (one, other)]
    candidates = _candidates(geometry, one, other, *faces)
    return candidates[holds_at(geometry, one, candidates) & holds_at(geometry, other, candidates)]


def holds_at(geometry: Geometry, condition: Condition, points: Tensor) -> Tensor:
    """Tell at which points a condition holds.

    Args:
        geometry: the domain.
        condition: any; one with a `place` of its own is taken to hold where that leaves points.
        points: shape (N, d).

    Returns:
        Truth values, shape (N,).
    """
    if not len(points):
        return torch.zeros(0, dtype=torch.bool)
    if not _is_own(condition):
        assert condition._place is not None
        return condition._place.holds(geometry, points)
    placed = condition.place(points, geometry.coordinates)
    if placed.shape != points.shape:
        return torch.zeros(len(points), dtype=torch.bool)
    near: Tensor = ((placed - points).abs() <= _CLOSE * geometry.widths).all(dim=1)
    return near


def _is_own(condition: Condition) -> bool:
    return type(condition).place is not Condition.place


def _candidates(geometry: Geometry, one: Condition, other: Condition, face: Face | None, second: Face | None) -> Tensor:
    probes, names = geometry.probes(_PROBES), geometry.coordinates
    if _is_own(one) or _is_own(other):
        # Only a place of one's own and a face can be combined without asking more of either.
        try:
            return other.place(one.place(probes, names), names).double()
        except ConfigurationError:
            return probes[:0]
    if face is not None and second is not None:
        if face.coordinate == second.coordinate and face.position != second.position:
            return probes[:0]
        return OnFace(second).moved(OnFace(face).moved(probes, geometry), geometry)
    parts = [each.draw(geometry, _DRAWN).points for each in (one, other)]
    if face is not None:
        parts = [parts[1], OnFace(face).moved(parts[1], geometry)]
    if second is not None:
        parts = [parts[0], OnFace(second).moved(parts[0], geometry)]
    return torch.cat([*parts, *_edges(geometry, probes)])


def _edges(geometry: Geometry, probes: Tensor) -> list[Tensor]:
    """Return points where two faces of a box meet."""
    if not isinstance(geometry, Box):
        return []
    pairs = itertools.combinations(geometry.faces(), 2)
    return [
        OnFace(second).moved(OnFace(first).moved(probes, geometry), geometry)
        for first, second in pairs
        if first.coordinate != second.coordinate
    ]
