"""What an initial, boundary or data condition of a PDE is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import as_columns
from laaf_lightning.problems.conditions.operators import NORMAL, U_PARTNER, Asked, U, asked_by
from laaf_lightning.problems.conditions.places import Drawn, OnFace, Pair, Place, Points, as_place
from laaf_lightning.problems.geometry import Face, Geometry, Sampler


@dataclass(frozen=True, eq=False, init=False)
class Condition:
    r"""Something that u must meet at some points, beside the equation: an operator that vanishes there.

    A point adds :math:`\sum_e |\text{operator}_e|^2` to the misfit.

    Where it holds is one of

    - a face, ``("t", 0.0)``;
    - ``"boundary"``, all of the domain's boundary, or ``"inside"``, all of the domain;
    - a mask on the boundary: a function of points (N, d) that gives truth values (N,);
    - a shape: that part of its boundary that is in the domain, such as one hole of several, or an interface;
    - points as an array or a list, (M, d), or a file of them; `Points` for points with normals. All are always taken;
    - `Part`, what a mask selects of any of these;
    - `Pair`, two places point by point.

    Args:
        name: what settings and errors call it, for example ``"initial"``.
        where: the place.
        operator: ``operator(x, u)``, ``operator(x, u, normal)``, on paired places ``operator(x, u, x_partner,
            u_partner)`` or with ``normal`` after these; and unknown coefficients by their names, or
            ``**coefficients``. ``x["t"]`` is a column (N, 1), ``normal["x"]`` the component (N, 1) of the outward unit
            normal, u the field. It returns what shall vanish, shape (N, 1), (N,), or (N, E) for E of them.

    A class of one's own may instead override `place`, `target`, `operator` as ``operator(u, partner)``, and `partners`.
    A point's misfit is then what `operator` gives there, less `target`.

    Attributes:
        name: what settings and errors call it.
        unknown: which of several unknowns a short form is about; None where there is only one, and for operators.
        pairs_points: whether u is needed at a second point for each, see `partners`.

    Raises:
        ConfigurationError: for what is no place, and no function.

    Example:
        Radiation from the rim of a disc, with an unknown emissivity:

        >>> import laaf_lightning as laaf
        >>> def radiation(x, u, normal, emissivity):
        ...     flux = normal["x"] * u.d("x") + normal["y"] * u.d("y")
        ...     return flux + emissivity * u**4
        >>> class Plate(laaf.PDE):
        ...     geometry = laaf.Disc()
        ...
        ...     def residual(self, x, u):
        ...         return u.d("x", "x") + u.d("y", "y") + 1
        ...
        ...     def conditions(self):
        ...         return [laaf.Condition("rim", "boundary", radiation)]
        ...
        ...     def coefficients(self):
        ...         return {"emissivity": 0.5}
        >>> list(laaf.PINN(Plate()).coefficients)
        ['emissivity']
    """

    name: str

    if TYPE_CHECKING:

        @property
        def unknown(self) -> str | None:
            """Which of several unknowns it is about."""

        @property
        def pairs_points(self) -> bool:
            """Whether u is needed at a second point for each."""

    else:
        unknown = None

        @property
        def pairs_points(self) -> bool:
            """Whether u is needed at a second point for each."""
            place = self._place
            return place is not None and place.is_paired

    def __init__(self, name: str, where: Any = None, operator: Callable[..., Any] | None = None) -> None:
        vars(self)["name"] = name
        if where is not None:
            vars(self).update(where=where, _place=as_place(where, "where", f"the condition {name!r}"))
        if operator is not None:
            if isinstance(operator, type) or not callable(operator):
                raise ConfigurationError(
                    f"operator={operator!r} of the condition {name!r} must be a function operator(x, u, normal) of "
                    "what shall vanish, such as lambda x, u: u - 1"
                )
            vars(self)["operator"] = operator

    def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        """Move points of the domain to where the condition holds; for classes of one's own.

        Args:
            points: random points of the whole domain, shape (N, d).
            coordinates: names of their columns.

        Returns:
            Points on a face, shape (N, d), or points of one's own, (M, d).

        Raises:
            ConfigurationError: for other places, whose points `draw` gives.
        """
        place = self._place.one if isinstance(self._place, Pair) else self._place
        if isinstance(place, OnFace):
            return _moved(points, coordinates, place.at)
        if isinstance(place, Points) and isinstance(place.points, Tensor):
            return place.points
        raise ConfigurationError(f"the condition {self.name!r} has no place on a face: ask for draw(…)")

    def partners(self, points: Tensor, coordinates: Sequence[str]) -> Tensor | None:
        """Return a second point for each, at which u is needed too.

        Args:
            points: as `place` returned them, shape (N, d).
            coordinates: names of their columns.

        Returns:
            Shape (N, d), or None where no second one is needed, as for all but paired places.
        """
        if isinstance(self._place, Pair) and isinstance(self._place.other, OnFace):
            return _moved(points, coordinates, self._place.other.at)
        return None

    def target(self, points: Tensor) -> Tensor:
        """Return what the operator must give: zero.

        Args:
            points: where, shape (N, d).

        Returns:
            Shape (N, 1).
        """
        return torch.zeros_like(points[:, :1])

    def prescribed(self, points: Tensor) -> Tensor:
        """Return `target` as one column, also where a condition of one's own gives a number, (N,) or a NumPy array.

        Args:
            points: where, shape (N, d).

        Returns:
            Shape (N, 1).
        """
        return as_columns(self.target(points), points, 1, f"the value of the condition {self.name!r}")

    def operator(self, *given: Any, **coefficients: Any) -> Tensor:
        """Return what shall vanish, or what is prescribed; what it takes is each condition's own choice.

        Args:
            given: x and u, and what else it takes; in a class of one's own also ``u, partner``.
            coefficients: unknown ones by name.

        Returns:
            Shape (N, E).

        Raises:
            ConfigurationError: without an operator.
        """
        raise ConfigurationError(f"the condition {self.name!r} has no operator: {self._new_form()}")

    def draw(self, geometry: Geometry, count: int, sampler: Sampler = "uniform", seed: int = 0) -> Drawn:
        """Draw points where the condition holds.

        Args:
            geometry: the domain.
            count: how many, where they are not given.
            sampler: of the unit cube.
            seed: the same seed gives the same points.

        Returns:
            Points, with normals and partners if there are some.

        Raises:
            ConfigurationError: without a place.
        """
        if type(self).place is Condition.place:
            if self._place is None:
                raise ConfigurationError(f"the condition {self.name!r} does not say where it holds: {self._new_form()}")
            return self._place.draw(geometry, count, sampler, seed, f"the condition {self.name!r}")
        points = self.place(geometry.sample_interior(count, sampler, seed), geometry.coordinates)
        partners = self.partners(points, geometry.coordinates)
        return Drawn(points.double(), None, None if partners is None else partners.double())

    def size(self, geometry: Geometry) -> int | None:
        """Return how many points it holds at, where these are given.

        Args:
            geometry: the domain.

        Returns:
            A number; None where points are drawn.
        """
        if self._place is None or type(self).place is not Condition.place:
            return None
        return self._place.size(geometry)

    @property
    def _place(self) -> Place | None:
        """Where it holds; None for a class of one's own with a `place`."""
        if "_place" not in vars(self) and (where := getattr(self, "where", None)) is not None:
            return as_place(where, "where", f"the condition {self.name!r}")
        return vars(self).get("_place")

    def _asked(self, coefficients: Collection[str], what: str) -> Asked:
        """Return the operator with what it is called with."""
        first = [] if "operator" in vars(self) else [*inspect.signature(self.operator).parameters][:1]
        if first in ([], ["x"]):
            return asked_by(self.operator, coefficients, what, paired=self.pairs_points)
        return Asked(self.operator, (U, U_PARTNER))

    def _asked_along_normal(self) -> Asked:
        """Return the operator, which takes normals after the partner."""
        return Asked(self.operator, (U, U_PARTNER, NORMAL))

    def _new_form(self) -> str:
        return f"write Condition({self.name!r}, where, operator) with operator(x, u, normal) of what shall vanish"

    def _of(self, u: Field) -> Field:
        return u if self.unknown is None else u[self.unknown]


def _moved(points: Tensor, coordinates: Sequence[str], face: Face) -> Tensor:
    moved = points.clone()
    moved[:, coordinates.index(face.coordinate)] = face.position
    return moved
