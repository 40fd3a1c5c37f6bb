"""Names of unknowns and of their partial derivatives, such as ``u``, ``u_xx`` and ``T_x1_x2``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE

Name: TypeAlias = str | tuple[str, ...]


@dataclass(frozen=True)
class Derivative:
    """An unknown, or one of its partial derivatives.

    Attributes:
        name: as it was asked for, for example ``"u_xt"``.
        unknown: of what.
        by: the coordinates, one for each order; none for the unknown itself.
    """

    name: Name
    unknown: str
    by: tuple[str, ...] = ()

    def order(self, problem: PDE) -> tuple[int, ...]:
        """Return the columns of a point that are differentiated by.

        Args:
            problem: names the columns.

        Returns:
            Sorted.
        """
        return tuple(sorted(problem.coordinates.index(name) for name in self.by))


def parse_names(names: str | Sequence[Name], problem: PDE, what: str = "names") -> tuple[Derivative, ...]:
    """Find out which unknowns and derivatives are meant.

    A name is an unknown, or an unknown, ``_`` and a coordinate for each order, between which another ``_`` may stand. A
    tuple ``("u", "x", "x")`` says the parts one by one, where names of unknowns and coordinates could be read in two
    ways.

    Args:
        names: in a list, or in one string, separated by commas.
        problem: has the unknowns and coordinates.
        what: what they are called, for the error.

    Returns:
        Each once, in this order.

    Raises:
        ConfigurationError: for names that mean nothing or several things, and what is no name.

    Example:
        >>> from laaf_lightning.problems import Burgers
        >>> [derivative.by for derivative in parse_names(["u", "u_xt", ("u", "x")], Burgers())]
        [(), ('x', 't'), ('x',)]
    """
    given = names.split(",") if isinstance(names, str) else names
    if not isinstance(given, Sequence) or not all(isinstance(name, (str, tuple, list)) for name in given):
        examples = [*itertools.islice(_examples(problem), 3)]
        raise ConfigurationError(f"{what} {names!r} are no names: give a list of strings, such as {examples}")
    asked = dict.fromkeys(name.strip() if isinstance(name, str) else tuple(name) for name in given)
    readings = {name: _readings(name, problem) for name in asked if name}
    if unknown := [name for name, meanings in readings.items() if not meanings]:
        _refuse(unknown, problem, what)
    for name, meanings in readings.items():
        if len(meanings) > 1:
            told = " or ".join(str((unknown, *by)) for unknown, by in meanings)
            raise ConfigurationError(
                f"{name!r} among the {what} may mean {told} in {type(problem).__name__}: give the tuple that is meant"
            )
    return tuple(Derivative(name, *next(iter(meanings.values()))) for name, meanings in readings.items())


def _readings(name: Name, problem: PDE) -> dict[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...]]]:
    """Find all meanings: unknown and sorted coordinates to unknown and coordinates as they stand."""
    if isinstance(name, tuple):
        sound = name[0] in problem.unknowns and all(part in problem.coordinates for part in name[1:])
        parsed = [(name[0], name[1:])] if sound else []
    else:
        parsed = [(unknown, ()) for unknown in problem.unknowns if name == unknown]
        parsed += [
            (unknown, by)
            for unknown in problem.unknowns
            if name.startswith(f"{unknown}_")
            for by in _splittings(name.removeprefix(f"{unknown}_"), problem.coordinates)
        ]
    return {(unknown, tuple(sorted(by))): (unknown, by) for unknown, by in parsed}


def _splittings(text: str, coordinates: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Cut a text into names of coordinates in all ways; ``_`` may stand between two."""
    for coordinate in coordinates:
        if text == coordinate:
            yield (coordinate,)
        elif text.startswith(coordinate):
            rest = text.removeprefix(coordinate)
            # Both ways, where a coordinate's own name begins with "_".
            for after in dict.fromkeys((rest, rest.removeprefix("_"))):
                for others in _splittings(after, coordinates) if after else ():
                    yield (coordinate, *others)


def _refuse(names: Sequence[Name], problem: PDE, what: str) -> NoReturn:
    raise ConfigurationError(
        f"unknown {what} {', '.join(map(repr, names))}: of {type(problem).__name__} there are "
        f"{', '.join(_examples(problem))}, and so on: an unknown ({', '.join(problem.unknowns)}), '_', and a "
        f"coordinate ({', '.join(problem.coordinates)}) for each order"
    )


def _examples(problem: PDE) -> Iterator[str]:
    joint = "" if all(len(name) == 1 for name in problem.coordinates) else "_"
    for order in (1, 2):
        for by in itertools.combinations_with_replacement(problem.coordinates, order):
            for unknown in problem.unknowns:
                yield f"{unknown}_{joint.join(by)}"
