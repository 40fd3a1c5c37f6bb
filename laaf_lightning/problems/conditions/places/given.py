"""Places as users give them."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.places.boundaries import Inside, OnBoundary, OnShape
from laaf_lightning.problems.conditions.places.masked import Masked
from laaf_lightning.problems.conditions.places.on_face import OnFace
from laaf_lightning.problems.conditions.places.place import Place
from laaf_lightning.problems.conditions.places.point_files import SUFFIXES
from laaf_lightning.problems.conditions.places.points import Points
from laaf_lightning.problems.geometry import BoundaryPoints, Face, Geometry

_WORDS = {"boundary": OnBoundary, "inside": Inside}


def as_place(where: Any, argument: str, owner: str) -> Place:
    """Take what was given for a place.

    Args:
        where: a face as a pair of a coordinate and its value; ``"boundary"``; ``"inside"``; a mask on the boundary; a
            shape; points as an array, a list of rows or a file; points of a boundary with its normals; a place.
        argument: where it was given, for the error.
        owner: to whom, likewise.

    Returns:
        The place.

    Raises:
        ConfigurationError: for anything else.
    """
    taken = where if isinstance(where, Place) else _word_or_face(where) or _shape_or_points(where)
    if taken is not None:
        return taken
    if callable(where) and not isinstance(where, type):
        return Masked(OnBoundary(), where)
    raise ConfigurationError(place_refusal(where, argument, owner))


def place_refusal(where: object, argument: str, owner: str) -> str:
    """Say what a place may be.

    Args:
        where: what was given.
        argument: where it was given.
        owner: to whom.

    Returns:
        A sentence.
    """
    is_shape = isinstance(where, type) and issubclass(where, Geometry)
    hint = f" an instance, {where.__name__}(…), or" if is_shape else ""  # type: ignore[attr-defined]
    if _has_places(where):
        hint = " one place (several take a condition each, or a mask on the boundary),"
    return (
        f"{argument}={where!r} of {owner} must be{hint} a place: 'boundary', 'inside', a mask on the boundary, a "
        "shape, points (M, d) or a file of them, Part(…), Pair(…), Points(…), or a face, such as "
        f"{argument}=('t', 0.0)"
    )


def _word_or_face(where: Any) -> Place | None:
    if isinstance(where, str) and where in _WORDS:
        return _WORDS[where]()
    if isinstance(where, (tuple, list)) and len(where) == 2 and isinstance(where[0], str) and _is_number(where[1]):
        position = where[1] if isinstance(where[1], (int, float)) else float(where[1])  # NumPy's numbers
        return OnFace(Face(where[0], position))
    return None


def _shape_or_points(where: Any) -> Place | None:
    if isinstance(where, Geometry):
        return OnShape(where)
    if isinstance(where, BoundaryPoints):
        return Points(where.points, where.outward)
    is_file = isinstance(where, Path) or (isinstance(where, str) and where.lower().endswith(SUFFIXES))
    if is_file or isinstance(where, (Tensor, np.ndarray)) or _is_list_of_points(where):
        return Points(where)
    return None


def _is_list_of_points(where: object) -> bool:
    if not isinstance(where, (list, tuple)) or not where or _has_places(where):
        return False
    nested = all(isinstance(row, (Sequence, np.ndarray, Tensor)) and not isinstance(row, str) for row in where)
    return nested or (isinstance(where, list) and all(map(_is_number, where)))


def _has_places(where: object) -> bool:
    return isinstance(where, (list, tuple)) and any(isinstance(row, Geometry) or _word_or_face(row) for row in where)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
