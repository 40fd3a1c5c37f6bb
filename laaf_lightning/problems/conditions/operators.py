"""What operators of conditions are called with, by their signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError, unknown_choice

X, U, NORMAL, X_PARTNER, U_PARTNER = "x", "u", "normal", "x_partner", "u_partner"
_SINGLE, _PAIRED = (X, U, NORMAL), (X, U, X_PARTNER, U_PARTNER, NORMAL)
_BY_PLACE = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}


class Asked(NamedTuple):
    """An operator with what it is called with.

    Attributes:
        function: the operator.
        places: of ``"x"``, ``"u"``, ``"normal"``, ``"x_partner"``, ``"u_partner"``, in order.
        coefficients: names of the coefficients that it takes by name.
        keywords: what it calls the last of these places, where other arguments stand before them.
        needs_normals: whether it takes normals, and has no default for places without any.
    """

    function: Callable[..., Any]
    places: tuple[str, ...]
    coefficients: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    needs_normals: bool = True

    def __call__(self, given: Mapping[str, Any], coefficients: Mapping[str, Tensor]) -> Any:
        """Call the operator.

        Args:
            given: what there is at the points, by name.
            coefficients: all of the problem's, by name.

        Returns:
            Whatever it gives.
        """
        named = {name: coefficients[name] for name in self.coefficients}
        values = [given[name] for name in self.places]
        by_place = len(values) - len(self.keywords)
        named |= dict(zip(self.keywords, values[by_place:], strict=True))
        if not self.needs_normals and isinstance(values[-1], NoNormals):  # which are always the last
            values, named = values[:-1], {name: value for name, value in named.items() if value is not values[-1]}
        return self.function(*values[:by_place], **named)


def asked_by(function: Callable[..., Any], coefficients: Collection[str], what: str, *, paired: bool) -> Asked:
    """Find what an operator is called with.

    Args:
        function: takes x and u, then normals if it likes, and coefficients by name; for two paired places x, u,
            x_partner and u_partner, then normals. Arguments with a default get it, but for ``normal`` and coefficients.
        coefficients: names of the problem's.
        what: whose operator it is, for the error.
        paired: whether the place pairs points.

    Returns:
        The operator with its arguments.

    Raises:
        ConfigurationError: for an operator that takes fewer or more, or u first.
    """
    there_is = _PAIRED if paired else _SINGLE
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of a function without a signature
        return Asked(function, there_is)
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    own = [each for each in parameters if each.kind in _BY_PLACE and each.name not in coefficients]
    needed = [each for each in own if each.default is each.empty or each.name == NORMAL]
    by_name = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    if len(needed) == len(there_is) - 1:
        needed += [each for each in by_name if each.name == NORMAL]
    alone = [each for each in by_name if each.default is each.empty and each not in needed]
    lacking = [each.name for each in (*needed[len(there_is) :], *alone) if each.name not in coefficients]
    if lacking:
        raise ConfigurationError(
            f"the operator of {what} takes {', '.join(map(repr, lacking))}, which is none of {', '.join(there_is)} and "
            "no coefficient: give it a first guess in coefficients(), or a default"
        )
    least = len(there_is) - 1
    if len(needed) < least:
        form = f"operator({', '.join(there_is)}, …)"
        raise ConfigurationError(
            f"the operator of {what} takes {len(needed)} arguments: it is called as {form}, of which it must take the "
            f"first {least}" + (", as its place pairs points" if paired else "")
        )
    if needed[0].name == U and needed[1].name == X:
        raise ConfigurationError(f"the operator of {what} takes u before x: it is called as operator(x, u, …)")
    named = {each.name for each in parameters if each.kind not in {each.VAR_KEYWORD, each.VAR_POSITIONAL}}
    taken = tuple(name for name in coefficients if takes_any or name in named)
    in_order = [each.name for each in parameters]
    others_before = [
        each.name
        for place, each in enumerate(needed)
        if each.kind is each.KEYWORD_ONLY or in_order.index(each.name) > place
    ]
    has_default = len(needed) == len(there_is) and needed[-1].default is not needed[-1].empty
    return Asked(function, there_is[: len(needed)], taken, tuple(others_before), not has_default)


class Columns(dict[str, Tensor]):
    """Columns by the names of coordinates, for a dry run: an unknown one is named.

    Args:
        columns: by name.
        what: whose coordinates they are, for the error.
    """

    def __init__(self, columns: Mapping[str, Tensor], what: str) -> None:
        super().__init__(columns)
        self._what = what

    def __getitem__(self, name: str) -> Tensor:
        """Look a column up, or refuse."""
        if isinstance(name, str) and name in self:
            return super().__getitem__(name)
        raise ConfigurationError(unknown_choice(f"coordinate in {self._what}", name, self))


class NoNormals(Mapping[str, Tensor]):
    """The normals of a place that has none.

    Args:
        what: whose place it is, for the error.
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def __getitem__(self, name: str) -> Tensor:
        """Refuse."""
        raise ConfigurationError(
            f"{self._what} asks for normals, and its place has none: take a place on a boundary, or points with "
            "normals, Points(points, normals)"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self[""])

    def __len__(self) -> int:
        return len(self[""])


def along_normal(u: Field, normal: Mapping[str, Tensor]) -> Tensor:
    """Return the derivative along the normal, ∂u/∂n = Σ n_c·∂u/∂c.

    Args:
        u: one unknown.
        normal: coordinate name to the normal's component, shape (N, 1).

    Returns:
        Shape (N, 1).
    """
    first, *others = u.coordinates
    total = normal[first] * u.d(first)
    for name in others:
        total = total + normal[name] * u.d(name)
    return total


def columns_of(points: Tensor, coordinates: Sequence[str]) -> dict[str, Tensor]:
    """Split points, or normals, into named columns.

    Args:
        points: shape (N, d).
        coordinates: names of the columns.

    Returns:
        Coordinate name to column, shape (N, 1).
    """
    return {name: points[:, i : i + 1] for i, name in enumerate(coordinates)}
