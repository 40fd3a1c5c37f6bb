"""Whether a problem can be sampled and solved as it is described."""

from __future__ import annotations

import inspect
import itertools
import math

from torch import Tensor

from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.faces import Dirichlet, FaceCondition
from laaf_lightning.problems.conditions.periodic import Periodic
from laaf_lightning.problems.conditions.point_data import PointData
from laaf_lightning.problems.geometry import Box, near_or_inside
from laaf_lightning.problems.pde import PDE
from laaf_lightning.problems.plain_mistakes import refuse_plain_mistakes
from laaf_lightning.problems.same_values import shown

RESIDUAL = "residual"  # what the equation's own term of a loss is called
_CORNER_POINTS = 5
_TOLERANCE = 1e-5


def check_problem(problem: PDE) -> None:
    """Refuse a problem whose description contradicts itself.

    Args:
        problem: the equation with its conditions.

    Raises:
        ConfigurationError: for what is no PDE, a coordinate without a domain, an empty or infinite domain, coefficients
            other than those that the residual takes, conditions of the same name or of the equation's own, a condition
            on an unknown coordinate, outside the domain or about an unknown that does not exist, and data that are not
            finite, outside the domain or of the wrong shape.
    """
    refuse_plain_mistakes(problem)
    kind = type(problem).__name__
    _check_coefficients(problem)
    conditions = list(problem.conditions())
    names = [condition.name for condition in conditions]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"{kind} has the conditions [{', '.join(names)}]: each needs another name")
    if RESIDUAL in names:
        raise ConfigurationError(
            f"{kind} has a condition that is called {RESIDUAL!r}, as the equation's own term of a loss: rename it"
        )
    for condition in conditions:
        _check_condition(problem, condition)


def conflicts(problem: PDE) -> list[str]:
    """Find values that disagree where two faces meet, or on one face, which no continuous solution can have.

    Args:
        problem: the equation with its conditions.

    Returns:
        One sentence for each pair of Dirichlet conditions that disagree.
    """
    disagreements = []
    dirichlet = [condition for condition in problem.conditions() if isinstance(condition, Dirichlet)]
    for one, other in itertools.combinations(dirichlet, 2):
        opposite = one.at[0] == other.at[0] and one.at[1] != other.at[1]
        if opposite or one.unknown != other.unknown:
            continue
        probes = problem.geometry.probes(_CORNER_POINTS)
        corner = other.place(one.place(probes, problem.coordinates), problem.coordinates)
        values, others = one.prescribed(corner).flatten(), other.prescribed(corner).flatten()
        gap = (values - others).abs()
        if gap.max() > _TOLERANCE * max(1.0, float(values.abs().max())):
            worst = int(gap.argmax())
            place = ", ".join(f"{name}={float(corner[worst, i]):g}" for i, name in enumerate(problem.coordinates))
            disagreements.append(
                f"the conditions {one.name!r} and {other.name!r} of {type(problem).__name__} disagree at {place}: "
                f"{float(values[worst]):g} against {float(others[worst]):g}; a network is continuous and meets neither "
                "near that corner"
            )
    return disagreements


def check_points(problem: PDE, points: Tensor, what: str = "the data") -> None:
    """Refuse points outside the domain.

    Args:
        problem: the equation.
        points: shape (N, d).
        what: whose points they are, for the error.

    Raises:
        ConfigurationError: for another shape, or naming the first point outside.
    """
    if points.ndim != 2 or points.shape[1] != len(problem.coordinates):
        expected = f"(N, {len(problem.coordinates)}) for {', '.join(problem.coordinates)}"
        raise ConfigurationError(f"{what} has points of shape {tuple(points.shape)}: expected {expected}")
    geometry = problem.geometry
    box = Box.of(dict(zip(problem.coordinates, geometry.bounds, strict=True)))
    for column, (name, inside) in enumerate(zip(problem.coordinates, box.contains_columns(points).T, strict=True)):
        if not inside.all():
            row, (lower, upper) = int((~inside).nonzero()[0]), box.interval(name)
            raise ConfigurationError(
                f"{what} has {int((~inside).sum())} points outside the domain, the first in row {row}: "
                f"{name}={float(points[row, column]):g} is not in [{lower}, {upper}]"
            )
    outside = ~near_or_inside(geometry, points)
    if outside.any():
        row = int(outside.nonzero()[0])
        place = ", ".join(f"{name}={float(x):g}" for name, x in zip(problem.coordinates, points[row], strict=True))
        raise ConfigurationError(
            f"{what} has {int(outside.sum())} points outside the domain, the first in row {row}: {place} is not in "
            f"{shown(geometry)}"
        )


def _check_coefficients(problem: PDE) -> None:
    kind = type(problem).__name__
    arguments = inspect.signature(problem.residual).parameters
    takes_any = any(argument.kind is argument.VAR_KEYWORD for argument in arguments.values())
    for name, guess in problem.coefficients().items():
        if not takes_any and name not in list(arguments)[2:]:
            raise ConfigurationError(
                f"{kind}.coefficients() has {name!r}, which {kind}.residual does not take: write "
                f"residual(self, x, u, {name})"
            )
        if not math.isfinite(guess):
            raise ConfigurationError(f"the first guess of {name!r} in {kind} is {guess}: it must be finite")
    for name, argument in list(arguments.items())[2:]:
        needed = argument.default is argument.empty and argument.kind not in {
            argument.VAR_POSITIONAL,
            argument.VAR_KEYWORD,
        }
        if needed and name not in problem.coefficients():
            raise ConfigurationError(
                f"{kind}.residual takes {name!r}, which {kind}.coefficients() lacks: give it a first guess there, or "
                f"take a constant from self"
            )


def _check_condition(problem: PDE, condition: Condition) -> None:
    what = f"the condition {condition.name!r} of {type(problem).__name__}"
    if condition.unknown is None and len(problem.unknowns) > 1:
        raise ConfigurationError(
            f"{what} does not say which unknown it is about: give unknown=, one of {', '.join(problem.unknowns)}"
        )
    if condition.unknown is not None and condition.unknown not in problem.unknowns:
        raise ConfigurationError(unknown_choice(f"unknown of {what}", condition.unknown, problem.unknowns))
    if isinstance(condition, FaceCondition):
        _check_face(problem, what, *condition.at)
    elif isinstance(condition, Periodic):
        for position in condition.faces:
            _check_face(problem, what, condition.coordinate, position)
    elif isinstance(condition, PointData):
        _check_data(problem, what, condition)


def _check_face(problem: PDE, what: str, coordinate: str, position: float) -> None:
    if coordinate not in problem.coordinates:
        raise ConfigurationError(unknown_choice(f"coordinate of {what}", coordinate, problem.coordinates))
    lower, upper = problem.geometry.interval(coordinate)
    with_faces = list(dict.fromkeys(face.coordinate for face in problem.geometry.faces()))
    if coordinate not in with_faces:
        has = f"faces only in {', '.join(with_faces)}" if with_faces else "no faces"
        raise ConfigurationError(
            f"{what} lies on a face at {coordinate}={position}, and the geometry of {type(problem).__name__}, "
            f"{shown(problem.geometry)}, has {has}: take a condition on its boundary"
        )
    if not lower <= position <= upper:
        raise ConfigurationError(f"{what} lies at {coordinate}={position}, outside the domain [{lower}, {upper}]")


def _check_data(problem: PDE, what: str, data: PointData) -> None:
    shapes = tuple(data.points.shape), tuple(data.values.shape)
    count = len(data.points)
    if count == 0 or shapes != ((count, len(problem.coordinates)), (count, 1)):
        raise ConfigurationError(
            f"{what} has points of shape {shapes[0]} and values of shape {shapes[1]}: expected (M, "
            f"{len(problem.coordinates)}) and (M, 1) or (M,), M >= 1"
        )
    for part, tensor in (("points", data.points), ("values", data.values)):
        if not tensor.isfinite().all():
            row = int((~tensor.isfinite()).any(dim=1).nonzero()[0])
            raise ConfigurationError(
                f"{what} has {part} that are not finite, the first in row {row}: {tensor[row].tolist()}"
            )
    check_points(problem, data.points, what)
