"""Plain mistakes in a problem's own geometry, each with what to write instead."""

from __future__ import annotations

import math

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.derived_parts import gives_own
from laaf_lightning.problems.geometry import Geometry, holds
from laaf_lightning.problems.pde import PDE
from laaf_lightning.problems.same_values import shown

_PROBES = 5
_BOUNDARY_PROBES = 64
_STEP = 1e-3
_CLOSE = 1e-6


def refuse_geometry(problem: PDE) -> None:
    """Refuse a geometry on which no problem can stand.

    Args:
        problem: gives a geometry of its own.

    Raises:
        ConfigurationError: for what is no geometry, other coordinates or another domain than the problem's, bounds that
            are none, a shape without interior, and normals that point inwards.
    """
    kind = type(problem).__name__
    geometry: object = problem.geometry
    if not isinstance(geometry, Geometry):
        name = geometry.__name__ if isinstance(geometry, type) else "Disc"
        raise ConfigurationError(f"{kind}.geometry={geometry!r} is no geometry: give an instance, such as {name}(…)")
    what = f"the geometry of {kind}, {shown(geometry)},"
    if not getattr(geometry, "coordinates", None):
        raise ConfigurationError(f"{what} has no coordinates: give coordinates = ('x', 'y'), say")
    coordinates = tuple(geometry.coordinates)
    if gives_own(problem, "coordinates") and tuple(problem.coordinates) != coordinates:
        raise ConfigurationError(
            f"{what} has the coordinates {coordinates!r}, and {kind} has {tuple(problem.coordinates)!r}: give both the "
            "same in the same order, or leave those of the problem out"
        )
    _check_bounds(what, geometry)
    if gives_own(problem, "domain"):
        _check_domain(kind, what, problem)
    holds(geometry, geometry.probes(_PROBES))
    if geometry.boundary_points() is not None:
        _check_normals(what, geometry)


def _check_bounds(what: str, geometry: Geometry) -> None:
    bounds = geometry.bounds
    sound = len(bounds) == len(geometry.coordinates) and all(
        len(ends) == 2 and all(map(math.isfinite, ends)) and ends[0] < ends[1] for ends in bounds
    )
    if not sound:
        raise ConfigurationError(
            f"{what} has bounds={bounds!r}: they must be (lower, upper) for each of {', '.join(geometry.coordinates)}, "
            "finite, lower < upper"
        )


def _check_normals(what: str, geometry: Geometry) -> None:
    boundary = geometry.sample_boundary(_BOUNDARY_PROBES)
    if not boundary.has_normals:
        return
    step = _STEP * geometry.widths.min() * boundary.normals
    behind, before = (holds(geometry, boundary.points + way).double().mean() for way in (-step, step))
    if before > behind:
        raise ConfigurationError(
            f"{what} has normals that point inwards at {float(before):.0%} of its boundary points: they must point "
            "outwards, so give -normals"
        )


def _check_domain(kind: str, what: str, problem: PDE) -> None:
    for name, ends in zip(problem.geometry.coordinates, problem.geometry.bounds, strict=True):
        given = problem.domain.get(name, (math.nan, math.nan))
        if not all(abs(one - other) <= _CLOSE * (ends[1] - ends[0]) for one, other in zip(given, ends, strict=True)):
            raise ConfigurationError(
                f"{what} lies between {ends[0]} and {ends[1]} in {name!r}, and the domain of {kind} is "
                f"{problem.domain!r}: leave the domain out"
            )
