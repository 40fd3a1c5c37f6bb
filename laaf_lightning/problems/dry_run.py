"""Which derivatives an equation and its conditions ask for: found once, by running them on plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field, Order, RecordingField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.operators import NORMAL, U_PARTNER, X_PARTNER, Columns, NoNormals, U, X
from laaf_lightning.problems.conditions.places import Drawn
from laaf_lightning.problems.named_terms import check_equations
from laaf_lightning.problems.pde import PDE
from laaf_lightning.problems.taken_coefficients import asked_of, residual_coefficients

_COUNTS = (5, 7)  # two, since a residual of shape (N, N) looks like one of N equations


def residual_orders(problem: PDE) -> frozenset[Order]:
    """Find the derivatives that a residual asks for.

    Args:
        problem: the equation.

    Returns:
        Sorted column indices, without u itself.

    Raises:
        ConfigurationError: if the residual is not of shape (N, E), or asks for a coordinate that does not exist.

    Example:
        >>> from laaf_lightning.problems import Burgers
        >>> sorted(residual_orders(Burgers()))
        [(0,), (0, 0), (1,)]
    """
    guesses = _guesses(problem)
    coefficients = {name: guesses[name] for name in residual_coefficients(problem)}
    where = f"{type(problem).__name__}.residual"
    asked: set[Order] = set()
    shapes = []
    for count in _COUNTS:
        u = _field(problem, count)
        x = Columns(problem.columns(_points(problem, count)), where)
        residual = problem.residual(x, u, **coefficients)
        shapes.append(_shape(problem, residual, count))
        asked |= u.asked
    if len({columns for _, columns in shapes}) > 1:
        _refuse_shape(problem, f"shapes {' and '.join(map(str, shapes))}", " and ".join(map(str, _COUNTS)))
    names = [condition.name for condition in problem.conditions()]
    check_equations(type(problem).__name__, problem.equations, shapes[0][1], names)
    return frozenset(asked)


def condition_orders(problem: PDE, conditions: Sequence[Condition]) -> frozenset[Order]:
    """Find the derivatives that conditions ask for.

    Args:
        problem: the equation.
        conditions: some of its conditions.

    Returns:
        Sorted column indices, without u itself.

    Raises:
        ConfigurationError: if an operator does not give a tensor of shape (N, 1), (N,) or (N, E), or asks for what does
            not exist: a coordinate, normals, an unknown.
    """
    asked: set[Order] = set()
    for condition in conditions:
        shapes = []
        for count in _COUNTS:
            fields = _field(problem, count), _field(problem, count)
            shapes.append(_condition_shape(problem, condition, fields, count))
            asked |= fields[0].asked | fields[1].asked
        if len({tuple(shape[1:]) for shape in shapes}) > 1:
            _refuse_condition(problem, condition, f"shapes {' and '.join(map(str, shapes))}", _COUNTS)
    return frozenset(asked)


def _condition_shape(
    problem: PDE, condition: Condition, fields: tuple[RecordingField, RecordingField], count: int
) -> tuple[int, ...]:
    """Run a condition's operator once."""
    what = f"the condition {condition.name!r} of {type(problem).__name__}"
    drawn = _enough(condition.draw(problem.geometry, count), count)
    where = f"the operator of {what}"
    given: dict[str, object] = {X: Columns(problem.columns(drawn.points.float()), where), U: fields[0]}
    given[NORMAL] = NoNormals(what)
    if drawn.normals is not None:
        given[NORMAL] = Columns(problem.columns(drawn.normals.float()), f"the normals in {where}")
    given |= {X_PARTNER: None, U_PARTNER: fields[1]}
    if drawn.partners is not None:
        given[X_PARTNER] = Columns(problem.columns(drawn.partners.float()), where)
    asked = asked_of(problem, condition)
    try:
        result = asked(given, _guesses(problem))
    except AttributeError as error:
        raise ConfigurationError(
            f"{where} fails: {error}; what an operator is given stands in its arguments, "
            f"Condition({condition.name!r}, where, operator) with operator(x, u, normal) of what shall vanish"
        ) from error
    result = result.value if isinstance(result, Field) else result
    if not isinstance(result, Tensor):
        _refuse_condition(problem, condition, f"a {type(result).__name__}", (count,))
    _refuse_no_numbers(result, where)
    shape = tuple(result.shape)
    prescribes = asked.places[:1] == (U,)  # a value for each point, and not what shall vanish
    if not shape or shape[0] != count or len(shape) > 2 or 0 in shape or (prescribes and shape != (count, 1)):
        _refuse_condition(problem, condition, f"shape {shape}", (count,))
    return shape


def _refuse_no_numbers(result: Tensor, where: str) -> None:
    if not result.is_floating_point():
        raise ConfigurationError(
            f"{where} gives a tensor of {result.dtype}: it must be real floating-point numbers, which have a gradient; "
            "to choose between two take torch.where(u > 0, …, …)"
        )


def _enough(drawn: Drawn, count: int) -> Drawn:
    """Repeat points until there are so many, and leave out what is more."""
    rows = torch.arange(count) % len(drawn.points)
    return Drawn(*(None if part is None else part[rows] for part in drawn))  # type: ignore[arg-type]


def _refuse_condition(problem: PDE, condition: Condition, got: str, counts: Sequence[int]) -> NoReturn:
    raise ConfigurationError(
        f"the operator of the condition {condition.name!r} of {type(problem).__name__} gives {got} at "
        f"N={' and '.join(map(str, counts))} points: it must return a tensor of what shall vanish, of shape (N, 1), or "
        "(N, E) for E of them at each point, such as u - x['t'], or u['p'] - 1 of several unknowns"
    )


def _guesses(problem: PDE) -> dict[str, Tensor]:
    return {name: torch.tensor(float(guess)) for name, guess in problem.coefficients().items()}


def _shape(problem: PDE, residual: object, count: int) -> tuple[int, int]:
    if not isinstance(residual, Tensor):
        _refuse_shape(problem, f"a {type(residual).__name__}", str(count))
    _refuse_no_numbers(residual, f"{type(problem).__name__}.residual")
    if residual.ndim != 2 or len(residual) != count or not residual.shape[1]:
        _refuse_shape(problem, f"shape {tuple(residual.shape)}", str(count))
    return count, residual.shape[1]


def _refuse_shape(problem: PDE, got: str, counts: str) -> NoReturn:
    raise ConfigurationError(
        f"{type(problem).__name__}.residual gives {got} at N={counts} points: it must return a tensor of shape (N, 1), "
        "or (N, E) for E equations (torch.cat([…], dim=1))"
    )


def _points(problem: PDE, count: int) -> Tensor:
    return problem.geometry.sample_interior(count, seed=0).float()


def _field(problem: PDE, count: int) -> RecordingField:
    generator = torch.Generator().manual_seed(1)
    values = 0.5 + torch.rand(count, len(problem.unknowns), generator=generator)
    return RecordingField(values, problem.coordinates, problem.unknowns)
