"""What a mask selects of a place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.places.place import Drawn, Place
from laaf_lightning.problems.geometry import Face, Geometry, Sampler
from laaf_lightning.problems.geometry.sampling.proposals import Proposal


@dataclass(frozen=True, eq=False)
class Masked(Place):
    """The points of a place that a mask selects.

    Attributes:
        of: the whole place.
        mask: maps points (N, d), float64, to truth values (N,).
    """

    of: Place
    mask: Callable[[Tensor], Any]

    def __post_init__(self) -> None:
        refuse_no_mask(self.mask)

    @property
    def face(self) -> Face | None:
        """The face of which it is a part, if that is known."""
        return self.of.face

    def check(self, geometry: Geometry, what: str) -> None:
        """Refuse what the whole refuses, and a mask that selects nothing.

        Args:
            geometry: the domain.
            what: whose place it is.
        """
        self.of.check(geometry, what)
        self.draw(geometry, 1, "uniform", 0, what)

    def size(self, geometry: Geometry) -> int | None:
        """Return how many of given points are selected.

        Args:
            geometry: the domain.

        Returns:
            A number; None where points are drawn.
        """
        if self.of.size(geometry) is None:
            return None
        return len(self._of_given(geometry, "a condition").points)

    def draw(self, geometry: Geometry, count: int, sampler: Sampler, seed: int, what: str) -> Drawn:
        """Draw points of the whole until enough are selected; of given points take all that are.

        Args:
            geometry: the domain.
            count: how many, where they are drawn.
            sampler: of the unit cube.
            seed: the same seed gives the same points.
            what: whose place it is.

        Returns:
            The points.
        """
        if self.of.size(geometry) is not None:
            return self._of_given(geometry, what)
        return super().draw(geometry, count, sampler, seed, what)

    def propose(self, geometry: Geometry, unit: Tensor) -> Proposal:
        """Propose points of the whole, of which the selected ones count.

        Args:
            geometry: the domain.
            unit: shape (N, d).

        Returns:
            Points, and their normals if there are some.
        """
        whole = self.of.propose(geometry, unit)
        return whole._replace(keep=whole.keep & selected(self.mask, whole.points))

    def holds(self, geometry: Geometry, points: Tensor) -> Tensor:
        """Tell which points of the whole are selected.

        Args:
            geometry: the domain.
            points: shape (N, d).

        Returns:
            Truth values, shape (N,).
        """
        return self.of.holds(geometry, points) & selected(self.mask, points)

    def nothing(self, what: str) -> str:
        """Say that the mask selects nothing.

        Args:
            what: whose place it is.

        Returns:
            A sentence.
        """
        return (
            f"{what} has a mask that selects none of a million points of its place: it must be true somewhere there "
            "(compare with a tolerance: rounding moves points of a curved boundary)"
        )

    def _of_given(self, geometry: Geometry, what: str) -> Drawn:
        whole = self.of.draw(geometry, 0, "uniform", 0, what)
        rows = selected(self.mask, whole.points)
        if not rows.any():
            raise ConfigurationError(f"{what} has a mask that selects none of its {len(rows)} points")
        return Drawn(whole.points[rows], None if whole.normals is None else whole.normals[rows])


def refuse_no_mask(mask: object) -> None:
    """Refuse what cannot be called with points alone.

    Args:
        mask: what was given for a mask.

    Raises:
        ConfigurationError: saying what a mask is.
    """
    example = "a function of the points (N, d) that gives truth values (N,), such as lambda points: points[:, 0] < 0.5"
    if isinstance(mask, type) or not callable(mask):
        raise ConfigurationError(f"mask={mask!r} must be {example}")
    try:
        inspect.signature(mask).bind(None)
    except TypeError:
        raise ConfigurationError(f"mask={mask!r} must take one argument: {example}") from None
    except ValueError:  # of a function without a signature
        return


def selected(mask: Callable[[Tensor], Any], points: Tensor) -> Tensor:
    """Ask a mask which points it selects.

    Args:
        mask: maps points to truth values.
        points: shape (N, d).

    Returns:
        Truth values, shape (N,).

    Raises:
        ConfigurationError: for anything else.
    """
    count = len(points)
    try:
        answer = mask(points)
    except (AttributeError, TypeError, LookupError, RuntimeError, ValueError) as error:  # in the user's own words
        raise ConfigurationError(
            f"a mask fails at points of shape {tuple(points.shape)}, {type(error).__name__}: {error}; it is a function "
            "of the points alone, such as lambda points: points[:, 0] < 0.5 (combine two by & and |, not by and, or)"
        ) from error
    truth = torch.as_tensor(answer) if isinstance(answer, (Tensor, np.ndarray, list)) else None
    if truth is not None and truth.shape == (count, 1):
        truth = truth[:, 0]
    if truth is None or truth.dtype is not torch.bool or truth.shape != (count,):
        got = f"a {type(answer).__name__}" if truth is None else f"shape {tuple(truth.shape)}, {truth.dtype}"
        raise ConfigurationError(
            f"a mask gives {got} at {count} points: it must give one truth value for each, shape ({count},), such as "
            "points[:, 0] < 0.5 (combine two by & and |, not by and, or)"
        )
    return truth.to(points.device)
