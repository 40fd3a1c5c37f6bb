"""Two places, point by point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import as_tensor
from laaf_lightning.problems.conditions.places.given import as_place
from laaf_lightning.problems.conditions.places.on_face import OnFace
from laaf_lightning.problems.conditions.places.place import Drawn, Place, refuse_outside
from laaf_lightning.problems.conditions.places.points import Points
from laaf_lightning.problems.geometry import Face, Geometry, Sampler
from laaf_lightning.problems.geometry.sampling.proposals import Proposal


@dataclass(frozen=True, eq=False)
class Pair(Place):
    """Points of one place, each with a partner in another; normals are those of the first.

    Args:
        one: a place, as for `Condition`.
        other: where the partners are: a face, to which each point is moved; a function that maps points (N, d) to
            partners (N, d); or as many points of one's own as `one` has.

    Raises:
        ConfigurationError: for what is no place, and places that cannot be paired.

    Example:
        >>> import laaf_lightning as laaf
        >>> ring = laaf.Pair(("x", -1.0), ("x", 1.0))
        >>> equal = laaf.Condition("equal", ring, lambda x, u, x_partner, u_partner: u - u_partner)
    """

    is_paired = True
    one: Place
    other: Place | Callable[[Tensor], Any]

    if TYPE_CHECKING:

        def __init__(self, one: Any, other: Any) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "one", as_place(self.one, "one", "a Pair"))
        other: object = self.other
        if isinstance(other, (Place, type)) or not callable(other):
            other = as_place(other, "other", "a Pair")
            if not isinstance(other, (OnFace, Points)) or (isinstance(other, Points) != isinstance(self.one, Points)):
                raise ConfigurationError(
                    f"other={self.other!r} of a Pair must be a face, such as ('x', 1.0), a function that maps points "
                    "to their partners, or points where the first are points too"
                )
        object.__setattr__(self, "other", other)
        if self.one.is_paired:
            raise ConfigurationError("one=Pair(…) of a Pair is paired already: give a single place")

    @property
    def face(self) -> Face | None:
        """The face of the first place, if that is known."""
        return self.one.face

    def check(self, geometry: Geometry, what: str) -> None:
        """Refuse what either place refuses.

        Args:
            geometry: the domain.
            what: whose place it is.

        Raises:
            ConfigurationError: for partners outside the domain, and for points that are their own partners.
        """
        self.one.check(geometry, what)
        if isinstance(self.other, Place):
            self.other.check(geometry, what)
        drawn = self.draw(geometry, 5, "uniform", 0, what)
        assert drawn.partners is not None
        refuse_outside(geometry, drawn.partners, f"{what}, where it has partners,")
        if torch.equal(drawn.points, drawn.partners):
            raise ConfigurationError(f"{what} pairs each point with itself, which says nothing: give two places")

    def size(self, geometry: Geometry) -> int | None:
        """Return the number of pairs.

        Args:
            geometry: the domain.

        Returns:
            That of the first place's points; None where they are drawn.
        """
        return self.one.size(geometry)

    def draw(self, geometry: Geometry, count: int, sampler: Sampler, seed: int, what: str) -> Drawn:
        """Draw points of the first place, with their partners.

        Args:
            geometry: the domain.
            count: how many pairs.
            sampler: of the unit cube.
            seed: the same seed gives the same points.
            what: whose place it is.

        Returns:
            The points.
        """
        first = self.one.draw(geometry, count, sampler, seed, what)
        return first._replace(partners=self.partners(geometry, first.points, what))

    def partners(self, geometry: Geometry, points: Tensor, what: str) -> Tensor:
        """Return the partners of points.

        Args:
            geometry: the domain.
            points: of the first place, shape (N, d).
            what: whose place it is, for the error.

        Returns:
            Shape (N, d), float64.

        Raises:
            ConfigurationError: for another number of them.
        """
        if isinstance(self.other, OnFace):
            return self.other.moved(points, geometry)
        if isinstance(self.other, Points):
            partners, _ = self.other.rows(geometry, what)
        else:
            assert not isinstance(self.other, Place)
            partners = as_tensor(self.other(points), f"the partners of {what}").double()
            if partners.shape == points.shape:  # it was tried at a few points only
                refuse_outside(geometry, partners, f"{what}, where it has partners,")
        if partners.shape != points.shape:
            raise ConfigurationError(
                f"{what} has partners of shape {tuple(partners.shape)} for points of shape {tuple(points.shape)}: give "
                "each point one"
            )
        return partners

    def propose(self, geometry: Geometry, unit: Tensor) -> Proposal:
        """Propose points of the first place.

        Args:
            geometry: the domain.
            unit: shape (N, d).

        Returns:
            Points, and their normals if there are some.
        """
        return self.one.propose(geometry, unit)

    def holds(self, geometry: Geometry, points: Tensor) -> Tensor:
        """Tell that no point alone lies in two places.

        Args:
            geometry: the domain.
            points: shape (N, d).

        Returns:
            Falsehood, shape (N,).
        """
        return torch.zeros(len(points), dtype=torch.bool)
