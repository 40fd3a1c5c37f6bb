"""A heated rod in any units: the same function on any length, with any rise over any base."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.problems import PDE, Coefficient, CollocationBatch, Condition, Dirichlet, Neumann


@dataclass(frozen=True)
class Rod(PDE):
    """−u″ = k²·rise·sin(kx), k = π/length; u = base + rise·sin(kx)."""

    length: float = 1.0
    rise: float = 1.0
    base: float = 0.0

    coordinates: ClassVar[tuple[str, ...]] = ("x",)

    @property
    def domain(self) -> Mapping[str, tuple[float, float]]:  # type: ignore[override]
        return {"x": (0.0, self.length)}

    def residual(self, x: Mapping[str, Tensor], u: Field, **coefficients: Any) -> Tensor:
        k = math.pi / self.length
        return u.d("x", "x") + self.rise * k**2 * torch.sin(k * x["x"])

    def conditions(self) -> Sequence[Condition]:
        flux = -self.rise * math.pi / self.length
        return [Dirichlet("left", ("x", 0.0), self.base), Neumann("right", ("x", self.length), flux)]

    def exact(self, points: Tensor) -> Tensor:
        return self.base + self.rise * torch.sin(math.pi * points.double() / self.length)


@dataclass(frozen=True)
class UnknownRod(Rod):
    """The rod with an unknown conductivity, beside a plain unknown."""

    conductivity: float | Coefficient = 1.0

    def residual(self, x: Mapping[str, Tensor], u: Field, *, conductivity: Tensor, source: Tensor) -> Tensor:  # type: ignore[override]
        return conductivity * u.d("x", "x") + source * x["x"]

    def coefficients(self) -> Mapping[str, float | Coefficient]:
        return {"conductivity": self.conductivity, "source": 0.5}

    def true_coefficients(self) -> Mapping[str, float]:
        return {"conductivity": 4e-6}


def batch_of(problem: Rod, count: int = 40) -> CollocationBatch:
    """Points from end to end, and the two ends."""
    inside = torch.linspace(0, 1, count, dtype=torch.float64)[:, None] * problem.length
    ends = torch.tensor([[0.0], [problem.length]], dtype=torch.float64)
    values = torch.cat([c.prescribed(ends[k : k + 1]).double() for k, c in enumerate(problem.conditions())])
    return CollocationBatch(inside, ends, values, {"left": 1, "right": 1})
