"""What a problem's loss is made of, by name: equations, conditions and terms of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from laaf_lightning.errors import ConfigurationError

if TYPE_CHECKING:
    from laaf_lightning.problems.collocation_batch import CollocationBatch

RESIDUAL, DATA = "residual", "data"  # what the equations, and the conditions, are called together


class NamedTerms:
    """Base of `PDE`: names of its equations, and terms that are no residual at a point.

    Attributes:
        equations: a name for each column of the residual; empty, the default, for one term ``"residual"``.
    """

    equations: ClassVar[tuple[str, ...]] = ()

    def own_terms(self, u: Any, batch: CollocationBatch) -> Mapping[str, Tensor]:
        """Return what the loss has beside residual and conditions: integrals, a total mass, a penalty.

        Args:
            u: the solution: ``u(points)`` is u at points (N, d) of one's own, ``u.field(points)`` u there with any
                derivative, ``u.coefficients`` the unknown coefficients.
            batch: what the step trains on.

        Returns:
            Name to a 0-dim tensor, ≥ 0 and zero where it is met, attached to u's graph; none by default.
        """
        return {}


def check_equations(kind: str, equations: object, columns: int, conditions: Sequence[str]) -> None:
    """Refuse names of equations that do not fit.

    Args:
        kind: the problem's class.
        equations: the names.
        columns: how many equations the residual has.
        conditions: names of the conditions.

    Raises:
        ConfigurationError: for what is no tuple of different names, another number of them, or one that is taken.
    """
    example = f"equations = ({', '.join(repr(f'equation_{i + 1}') for i in range(columns))},)"
    if isinstance(equations, str) or not isinstance(equations, (tuple, list)):
        raise ConfigurationError(f"{kind}.equations={equations!r} must be a tuple of names, such as {example}")
    if not all(isinstance(name, str) and name for name in equations) or len(set(equations)) < len(equations):
        raise ConfigurationError(
            f"{kind}.equations={equations!r} must be a tuple of names, no two alike, such as {example}"
        )
    if equations and len(equations) != columns:
        raise ConfigurationError(
            f"{kind}.equations names {len(equations)} equations, {', '.join(equations)}, and {kind}.residual gives "
            f"{columns} {'column' if columns == 1 else 'columns'}: name each of them, such as {example}, or none"
        )
    for name in equations:
        refuse_taken(f"the equation {name!r} of {kind}", name, conditions, equations)


def refuse_taken(what: str, name: str, taken: Sequence[str], equations: Sequence[str]) -> None:
    """Refuse the name of a term that another has.

    Args:
        what: which term, for the error.
        name: its name.
        taken: names of the others.
        equations: names of the equations.

    Raises:
        ConfigurationError: for a name in `taken`, or what all equations, or all conditions, are called together.
    """
    if name == DATA or (name == RESIDUAL and (name,) != tuple(equations)):
        together = "equations" if name == RESIDUAL else "conditions"
        raise ConfigurationError(f"{what} has the name of all {together} together: rename it")
    if name in taken:
        raise ConfigurationError(f"{what} has the name of another term of the loss: rename one of them")
