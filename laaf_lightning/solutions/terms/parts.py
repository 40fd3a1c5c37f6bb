"""What the terms of a loss are computed of, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from laaf_lightning.derivatives import Field, KnownFactors
from laaf_lightning.problems import ConditionSet
from laaf_lightning.solutions.compiled_calls import Compiled
from laaf_lightning.solutions.scales.term_units import TermUnits


class OwnField(Protocol):
    """A field of a subclass, asked for in place of `Solution.field`."""

    def __call__(self, points: Tensor, known: KnownFactors | None = None, *, at_conditions: bool = False) -> Field:
        """Return u with the derivatives that the residual, or the conditions, ask for."""
        ...


@dataclass(frozen=True)
class LossParts:
    """What terms are computed of; nothing is looked at or chosen anew here.

    Attributes:
        conditions: the conditions.
        residual: maps points (N, d), and the factors of hard conditions there, to the residual (N, E) in its units.
        field: maps points (M, d) and factors to u with the derivatives that the conditions ask for.
        fields: gives u for the residual, and u for the conditions, from one call.
        residual_of: maps a field and its points (N, d) to the residual (N, E) in its units.
        parameters: lists what is trained.
        coefficients: gives the unknown coefficients by name.
        units: what the misfit is measured in.
        equations: how many equations have names; 0 where none has.
    """

    conditions: ConditionSet
    residual: Callable[[Tensor, KnownFactors | None], Tensor]
    field: Callable[[Tensor, KnownFactors | None], Field]
    fields: Callable[[Tensor, KnownFactors | None, Tensor, KnownFactors | None], tuple[Field, Field]]
    residual_of: Callable[[Field, Tensor], Tensor]
    parameters: Callable[[], Iterable[nn.Parameter]]
    coefficients: Callable[[], dict[str, Tensor]]
    units: TermUnits
    equations: int = 0


class HowToCompute(NamedTuple):
    """How terms are computed, which changes none of them but for rounding.

    Attributes:
        run: calls functions, compiled or not.
        chunk_size: most residual points at a time; None for all.
        at_once: whether one call gives the residual's field and the conditions'.
        by_name: whether each condition has a term, and each of several named equations, else there is one for all.
        apart: whether residual and misfit come from functions of their own, as gradients of each term alone need where
            they are compiled.
    """

    run: Compiled
    chunk_size: int | None = None
    at_once: bool = False
    by_name: bool = False
    apart: bool = False


class SquareWeights(NamedTuple):
    """What the squares of residual and misfit are multiplied by, before they are summed.

    Attributes:
        residual: shape (N, 1), (1, E) or (N, E); None for 1.
        misfit: shape (N_u, 1); None for 1.
    """

    residual: Tensor | None = None
    misfit: Tensor | None = None


UNWEIGHTED = SquareWeights()


def weighted(squares: Tensor, weights: Tensor | None) -> Tensor:
    """Weigh squares before they are summed.

    Args:
        squares: shape (N, E).
        weights: of a shape that broadcasts against it; None for 1.

    Returns:
        Shape (N, E).
    """
    return squares if weights is None else squares * weights
