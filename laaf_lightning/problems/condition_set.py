"""A problem's conditions together, applied to one field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field, Order
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.operators import NORMAL, U_PARTNER, X_PARTNER, NoNormals, U, X, columns_of
from laaf_lightning.problems.dry_run import condition_orders
from laaf_lightning.problems.pde import PDE
from laaf_lightning.problems.taken_coefficients import asked_of


class ConditionSet:
    """All conditions of a problem, asked for once; pickled and copied as its problem.

    Args:
        problem: the equation with its conditions.

    Attributes:
        by_name: the conditions.
        orders: the derivatives that they ask for.
    """

    def __init__(self, problem: PDE) -> None:
        self._problem = problem
        self.by_name = {condition.name: condition for condition in problem.conditions()}
        self._asked = {name: asked_of(problem, condition) for name, condition in self.by_name.items()}
        self._without_normals = {
            name
            for name, asked in self._asked.items()
            if NORMAL in asked.places and self.by_name[name].draw(problem.geometry, 2).normals is None
        }
        self._paired = {name for name, condition in self.by_name.items() if condition.pairs_points}
        self.orders: frozenset[Order] = condition_orders(problem, list(self.by_name.values()))

    def values(
        self,
        u: Field,
        counts: Mapping[str, int],
        points: Tensor | None = None,
        normals: Tensor | None = None,
        coefficients: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Apply each condition's operator at its points.

        Args:
            u: the field at the points of the conditions in `counts`, one condition after the other, and after all of
                these the partners of the points whose conditions have some.
            counts: number of points of each condition, without partners; empty if all are values of the one unknown.
            points: those at which u is, shape (Σ counts + partners, d); needed where an operator takes coordinates.
            normals: shape (Σ counts, d); needed where an operator takes normals.
            coefficients: the problem's, by name; needed where an operator takes some.

        Returns:
            Shape (Σ counts, E), E being the largest number of columns of a condition, the others filled up by zeros;
            (N, C) for empty `counts`.

        Raises:
            ConfigurationError: where what an operator takes is missing.
        """
        if not counts:
            return u.value
        start, partner_start = 0, sum(counts.values())
        parts = []
        for name, count in counts.items():
            asked, stop, partners = self._asked[name], start + count, None
            if name in self._paired:
                partners = partner_start, partner_start + count
                partner_start += count
            given: dict[str, Any] = {U: u.rows(start, stop), U_PARTNER: None if partners is None else u.rows(*partners)}
            for which, rows in ((X, (start, stop)), (X_PARTNER, partners)):
                if which in asked.places and rows is not None:
                    given[which] = self._columns(name, points, "coordinates", *rows)
            if name in self._without_normals:
                given[NORMAL] = NoNormals(f"the condition {name!r}")
            elif NORMAL in asked.places:
                given[NORMAL] = self._columns(name, normals, "normals", start, stop)
            part = asked(given, coefficients or {})
            part = part.value if isinstance(part, Field) else part
            parts.append(part[:, None] if part.ndim == 1 else part)
            start = stop
        width = max(part.shape[1] for part in parts)
        return torch.cat([_filled_up(part, width) for part in parts])

    def _columns(self, name: str, rows: Tensor | None, what: str, start: int, stop: int) -> dict[str, Tensor]:
        if rows is None:
            raise ConfigurationError(
                f"the operator of the condition {name!r} takes {what}, and the batch has none: take the batch of a "
                "CollocationDataModule, or give its condition_normals"
            )
        return columns_of(rows[start:stop], self._problem.coordinates)

    def __reduce__(self) -> tuple[type[ConditionSet], tuple[PDE]]:
        return ConditionSet, (self._problem,)


def _filled_up(part: Tensor, width: int) -> Tensor:
    return part if part.shape[1] == width else torch.nn.functional.pad(part, (0, width - part.shape[1]))
