from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.problems import PDE, Ansatz, Condition, Dirichlet
from laaf_lightning.problems.conditions.faces import zero


class Slab(PDE):
    """A problem that the tests describe as they like."""

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")

    def __init__(
        self,
        *conditions: Condition,
        domain: Mapping[str, tuple[float, float]] | None = None,
        coefficients: Mapping[str, float] | None = None,
        unknowns: tuple[str, ...] = ("u",),
    ) -> None:
        self._conditions, self._coefficients = conditions, dict(coefficients or {})
        self.domain = domain or {"x": (-1.0, 2.0), "t": (0.0, 1.0)}  # type: ignore[misc]
        self.unknowns = unknowns  # type: ignore[misc]

    def residual(self, x: Mapping[str, Tensor], u: Field, speed: float | Tensor = 1.0) -> Tensor:
        return u.d("t") + speed * u.d("x")

    def conditions(self) -> Sequence[Condition]:
        return self._conditions

    def coefficients(self) -> Mapping[str, float]:
        return self._coefficients


class HardSlab(Slab):
    def ansatz(self) -> Ansatz:
        return Ansatz(zero, zero)


INITIAL = Dirichlet("initial", ("t", 0.0), zero)


def constant(value: float) -> Any:
    return lambda points: torch.full_like(points[:, :1], value)
