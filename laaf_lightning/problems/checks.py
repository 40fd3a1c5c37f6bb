"""Whether a problem can be sampled and solved as it is described."""

from __future__ import annotations

from torch import Tensor

from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.faces import FaceCondition
from laaf_lightning.problems.conditions.periodic import Periodic
from laaf_lightning.problems.conditions.places import Points, refuse_outside
from laaf_lightning.problems.conditions.places.point_files import PointFile
from laaf_lightning.problems.conditions.point_data import PointData
from laaf_lightning.problems.pde import PDE
from laaf_lightning.problems.plain_mistakes import refuse_plain_mistakes
from laaf_lightning.problems.taken_coefficients import check_coefficients

RESIDUAL = "residual"  # what the equation's own term of a loss is called
_PROBES = 7


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
    conditions = list(problem.conditions())
    check_coefficients(problem, conditions)
    names = [condition.name for condition in conditions]
    for name in names:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"{kind} has a condition called {name!r}: its name must be a string, 'initial'")
    if len(set(names)) < len(names):
        raise ConfigurationError(f"{kind} has the conditions [{', '.join(names)}]: each needs another name")
    if RESIDUAL in names:
        raise ConfigurationError(
            f"{kind} has a condition that is called {RESIDUAL!r}, as the equation's own term of a loss: rename it"
        )
    for condition in conditions:
        _check_condition(problem, condition)


def check_points(problem: PDE, points: Tensor, what: str = "the data") -> None:
    """Refuse points outside the domain.

    Args:
        problem: the equation.
        points: shape (N, d).
        what: whose points they are, for the error.

    Raises:
        ConfigurationError: for another shape, or naming the first point outside.
    """
    refuse_outside(problem.geometry, points, what)


def _check_condition(problem: PDE, condition: Condition) -> None:
    what, geometry = f"the condition {condition.name!r} of {type(problem).__name__}", problem.geometry
    about_one = isinstance(condition, (FaceCondition, Periodic, PointData))
    if about_one and condition.unknown is None and len(problem.unknowns) > 1:
        raise ConfigurationError(
            f"{what} does not say which unknown it is about: give unknown=, one of {', '.join(problem.unknowns)}"
        )
    if condition.unknown is not None and condition.unknown not in problem.unknowns:
        raise ConfigurationError(unknown_choice(f"unknown of {what}", condition.unknown, problem.unknowns))
    if isinstance(condition, PointData):
        _check_data(problem, what, condition)
    if condition._place is not None:
        condition._place.check(geometry, what)
    drawn = condition.draw(geometry, _PROBES)
    refuse_outside(geometry, drawn.points, what)
    if drawn.partners is not None:
        refuse_outside(geometry, drawn.partners, f"{what}, where it has partners,")


def _check_data(problem: PDE, what: str, data: PointData) -> None:
    points, place = data.points, data._place
    if isinstance(place, Points) and isinstance(place.points, PointFile):
        points, _ = place.points.columns(problem.coordinates, what)
    shapes, count = (tuple(points.shape), tuple(data.values.shape)), len(points)
    if count == 0 or shapes != ((count, len(problem.coordinates)), (count, 1)):
        raise ConfigurationError(
            f"{what} has points of shape {shapes[0]} and values of shape {shapes[1]}: expected (M, "
            f"{len(problem.coordinates)}) and (M, 1) or (M,), M >= 1"
        )
    for part, tensor in (("points", points), ("values", data.values)):
        if not tensor.isfinite().all():
            row = int((~tensor.isfinite()).any(dim=1).nonzero()[0])
            raise ConfigurationError(
                f"{what} has {part} that are not finite, the first in row {row}: {tensor[row].tolist()}"
            )
