"""A problem's conditions together, applied to one field."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field, Order
from laaf_lightning.problems.dry_run import condition_orders
from laaf_lightning.problems.pde import PDE


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
        self.orders: frozenset[Order] = condition_orders(problem, list(self.by_name.values()))

    def values(self, u: Field, counts: Mapping[str, int]) -> Tensor:
        """Apply each condition's operator at its points.

        Args:
            u: the field at the points of the conditions in `counts`, one condition after the other, and after all of
                these the partners of the points whose conditions have some.
            counts: number of points of each condition, without partners; empty if all are values of the one unknown.

        Returns:
            Shape (Σ counts, 1); (N, C) for empty `counts`.
        """
        if not counts:
            return u.value
        start, partner_start = 0, sum(counts.values())
        parts = []
        for name, count in counts.items():
            condition, partner = self.by_name[name], None
            if condition.pairs_points:
                partner = u.rows(partner_start, partner_start + count)
                partner_start += count
            parts.append(condition.operator(u.rows(start, start + count), partner))
            start += count
        return torch.cat(parts)

    def __reduce__(self) -> tuple[type[ConditionSet], tuple[PDE]]:
        return ConditionSet, (self._problem,)
