"""The terms of a PINN's loss: the mean square of the residual, and what each condition adds to that of the misfit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from laaf_lightning.derivatives import Field, KnownFactors
from laaf_lightning.problems import CollocationBatch, ConditionSet
from laaf_lightning.solutions.chunks import sum_in_chunks
from laaf_lightning.solutions.compiled_calls import Compiled


class Solved(Protocol):
    """What terms are computed of, as `Solution` has it; nothing is looked at or chosen anew here."""

    @property
    def conditions(self) -> ConditionSet:
        """The conditions."""
        ...

    def loss_residual(self, points: Tensor, known: KnownFactors | None) -> Tensor:
        """Return the residual (N, E) at points (N, d)."""
        ...

    def loss_field(self, points: Tensor, known: KnownFactors | None) -> Field:
        """Return u with the derivatives that the conditions ask for at points (M, d)."""
        ...

    def both_fields(
        self, points: Tensor, known: KnownFactors | None, at: Tensor, known_at: KnownFactors | None
    ) -> tuple[Field, Field]:
        """Return u for the residual and u for the conditions, from one call."""
        ...

    def residual_of(self, u: Field, points: Tensor) -> Tensor:
        """Return the residual (N, E) of a field."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return what is trained."""
        ...


class HowToCompute(NamedTuple):
    """How terms are computed, which changes none of them but for rounding.

    Attributes:
        run: calls functions, compiled or not.
        chunk_size: most residual points at a time; None for all.
        at_once: whether one call may give the residual's field and the conditions'.
        by_name: whether each condition has a term, else there is one for all.
    """

    run: Compiled
    chunk_size: int | None
    at_once: bool
    by_name: bool


def mean_squares(
    solved: Solved,
    batch: CollocationBatch,
    known: KnownFactors | None,
    known_at: KnownFactors | None,
    how: HowToCompute,
) -> tuple[Tensor, ...]:
    """Return the mean of |F|² over the residual points, and of |u − û|² over all points of the conditions.

    Args:
        solved: gives residual, fields and conditions.
        batch: residual points, condition points and values.
        known: the factors of hard conditions at the residual points.
        known_at: likewise at the condition points.
        how: how.

    Returns:
        0-dim tensors: the residual's, and the misfit's, whole or, by name, the part of each condition in the batch; no
        misfit without conditions.
    """
    points, at, values, counts = batch
    run = how.run
    whole = how.chunk_size is None or how.chunk_size >= len(points)
    if len(values) == 0:
        return (_mean_residual(solved, points, known, how),)
    # Nested autograd makes leaves of points, which compiled code can do for one set only.
    if whole and not (run.enabled and run.differentiates):
        both: tuple[Tensor, ...] = run(
            _both, solved, points, known, at, known_at, values, counts, how.at_once, how.by_name
        )
        return both
    return (
        _mean_residual(solved, points, known, how),
        *run(_misfit, solved, at, known_at, values, counts, how.by_name),
    )


def terms_apart(
    solved: Solved,
    batch: CollocationBatch,
    known: KnownFactors | None,
    known_at: KnownFactors | None,
    how: HowToCompute,
) -> tuple[Tensor, ...]:
    """Return the same from two functions, since compiled ones cannot give gradients of one term without both.

    Args:
        solved: as for `mean_squares`.
        batch: likewise.
        known: likewise.
        known_at: likewise.
        how: likewise.

    Returns:
        As `mean_squares`.
    """
    points, at, values, counts = batch
    residual = _mean_residual(solved, points, known, how)
    misfit = how.run(_misfit, solved, at, known_at, values, counts, how.by_name) if len(values) else ()
    return (residual, *misfit)


def sum_of_squares(residual: Tensor) -> Tensor:
    """Return Σ|F|² over points and equations.

    Args:
        residual: shape (N, E).

    Returns:
        0-dim.
    """
    return residual.square().sum()


def misfit_of(
    conditions: ConditionSet, u: Field, values: Tensor, counts: Mapping[str, int], *, by_name: bool = False
) -> tuple[Tensor, ...]:
    """Return the mean of |u − û|² over all points of all conditions.

    Args:
        conditions: whose operators are applied to u.
        u: at the points of all conditions, and their partners after these.
        values: û, shape (N_u, 1).
        counts: how many of the N_u belong to each condition; empty if all are values of u itself.
        by_name: whether to give each condition's part of it, all of which add up to the whole.

    Returns:
        One 0-dim tensor; by name, one for each condition in `counts`.
    """
    squares = (conditions.values(u, counts) - values).square()
    if not by_name or not counts:
        return (squares.sum() / len(values),)
    return tuple(part.sum() / len(values) for part in squares.split([*counts.values()]))


def _mean_residual(solved: Solved, points: Tensor, known: KnownFactors | None, how: HowToCompute) -> Tensor:
    def total(points: Tensor, known: KnownFactors | None) -> Tensor:
        value: Tensor = how.run(_residual, solved, points, known)
        return value

    return sum_in_chunks(total, points, known, how.chunk_size, solved.parameters()) / len(points)


# Of module level, as `Compiled` needs them.


def _residual(solved: Solved, points: Tensor, known: KnownFactors | None) -> Tensor:
    return sum_of_squares(solved.loss_residual(points, known))


def _misfit(
    solved: Solved, at: Tensor, known_at: KnownFactors | None, values: Tensor, counts: Mapping[str, int], by_name: bool
) -> tuple[Tensor, ...]:
    return misfit_of(solved.conditions, solved.loss_field(at, known_at), values, counts, by_name=by_name)


def _both(
    solved: Solved,
    points: Tensor,
    known: KnownFactors | None,
    at: Tensor,
    known_at: KnownFactors | None,
    values: Tensor,
    counts: Mapping[str, int],
    at_once: bool,
    by_name: bool,
) -> tuple[Tensor, ...]:
    if not at_once:
        return _residual(solved, points, known) / len(points), *_misfit(solved, at, known_at, values, counts, by_name)
    u, u_at = solved.both_fields(points, known, at, known_at)
    residual = sum_of_squares(solved.residual_of(u, points)) / len(points)
    return residual, *misfit_of(solved.conditions, u_at, values, counts, by_name=by_name)
