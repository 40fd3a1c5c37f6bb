"""Plain mistakes in the description of a problem, each with what to write instead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.derived_parts import gives_own
from laaf_lightning.problems.geometry_mistakes import refuse_geometry
from laaf_lightning.problems.pde import PDE, Ansatz


def refuse_plain_mistakes(problem: object) -> None:
    """Refuse what is no problem, and a problem whose parts are not of the kind that they must be.

    Args:
        problem: what was given for a problem.

    Raises:
        ConfigurationError: for a class or anything else that is no PDE; coordinates and unknowns that are no tuples of
            different names; a domain that is no mapping to finite intervals; a geometry that is none, or disagrees;
            conditions that are no list of conditions; coefficients that are no mapping; an ansatz that is none.
    """
    if not isinstance(problem, PDE):
        name = problem.__name__ if isinstance(problem, type) else "Burgers"
        hint = f"an instance, {name}()" if isinstance(problem, type) else f"a PDE, such as {name}()"
        raise ConfigurationError(
            f"problem={problem!r} is no problem: give {hint}, as problem=… or on the command line as "
            f"--model.problem {name}"
        )
    kind = type(problem).__name__
    if gives_own(problem, "geometry"):
        refuse_geometry(problem)
    _check_names(kind, "coordinates", getattr(problem, "coordinates", None), "('x', 't')")
    _check_names(kind, "unknowns", problem.unknowns, "('u',)")
    _check_domain(kind, problem)
    _check_conditions(kind, problem.conditions())
    if not isinstance(coefficients := problem.coefficients(), Mapping):
        raise ConfigurationError(
            f"{kind}.coefficients() gives {coefficients!r}: it must give a mapping from names to first guesses, "
            "such as {'viscosity': 0.1}"
        )
    ansatz = problem.ansatz()
    if not (ansatz is None or isinstance(ansatz, Ansatz)):
        raise ConfigurationError(f"{kind}.ansatz() gives {ansatz!r}: it must give None or Ansatz(offset, factor)")


def _check_names(kind: str, attribute: str, names: object, example: str) -> None:
    if isinstance(names, str):
        several = f", or {attribute} = {tuple(names)} for {len(names)}" if len(names) > 1 else ""
        raise ConfigurationError(
            f"{kind}.{attribute}={names!r} is one string: give a tuple of names, {attribute} = ({names!r},) for "
            f"one{several}"
        )
    sound = isinstance(names, (tuple, list)) and names and all(isinstance(name, str) and name for name in names)
    if not sound or len(set(names)) < len(names):  # type: ignore[call-overload, arg-type]
        raise ConfigurationError(
            f"{kind}.{attribute}={names!r} must be a tuple of names, no two alike, such as {attribute} = {example}"
        )


def _check_domain(kind: str, problem: PDE) -> None:
    domain = getattr(problem, "domain", None)
    if not isinstance(domain, Mapping):
        example = ", ".join(f"{name!r}: (0.0, 1.0)" for name in problem.coordinates)
        raise ConfigurationError(
            f"{kind}.domain={domain!r} must map each coordinate to its (lower, upper), such as {{{example}}}"
        )
    for name in problem.coordinates:
        if name not in domain:
            raise ConfigurationError(f"the domain of {kind} lacks the coordinate {name!r}: give its (lower, upper)")
        try:
            lower, upper = domain[name]
            sound = math.isfinite(lower) and math.isfinite(upper) and lower < upper
        except (TypeError, ValueError):  # one number, three, or strings
            raise ConfigurationError(
                f"the domain of {kind} in {name!r} is {domain[name]!r}: it must be two numbers, such as (0.0, 1.0)"
            ) from None
        if not sound:
            raise ConfigurationError(
                f"the domain of {kind} in {name!r} is ({lower}, {upper}): it must be finite, lower < upper"
            )


def _check_conditions(kind: str, conditions: object) -> None:
    if isinstance(conditions, (str, Mapping)) or not isinstance(conditions, Iterable):
        raise ConfigurationError(
            f"{kind}.conditions() gives {conditions!r}: it must give a list of conditions, such as "
            "[Dirichlet('initial', ('t', 0.0), 0.0)], or []"
        )
    for condition in conditions:
        if not isinstance(condition, Condition):
            hint = f"an instance, {condition.__name__}(…)" if isinstance(condition, type) else "a Condition"
            raise ConfigurationError(f"{kind}.conditions() has {condition!r}, which is no condition: give {hint}")
