"""Heat conduction as it is measured, 0.1 m for 600 s around 300 K, is learnt as in units of order one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from laaf_lightning.data import CollocationDataModule
from laaf_lightning.derivatives import Field
from laaf_lightning.modules import PINN
from laaf_lightning.optimizers import SelfScaledBroyden
from laaf_lightning.problems import PDE, Dirichlet
from tests.trainers import quiet_trainer


@dataclass(frozen=True)
class Slab(PDE):
    """u_t = α·u_xx; one half wave over a base decays."""

    length: float
    duration: float
    diffusivity: float
    base: float
    rise: float
    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")

    @property
    def domain(self) -> Mapping[str, tuple[float, float]]:  # type: ignore[override]
        return {"x": (0.0, self.length), "t": (0.0, self.duration)}

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("t") - self.diffusivity * u.d("x", "x")

    def conditions(self) -> Sequence[Dirichlet]:
        ends = [Dirichlet(f"at {x}", ("x", x), self.base) for x in self.domain["x"]]
        return [Dirichlet("start", ("t", 0.0), self.exact), *ends]

    def exact(self, points: Tensor) -> Tensor:
        x, t = points.double().split(1, dim=1)
        k = math.pi / self.length
        return self.base + self.rise * torch.sin(k * x) * torch.exp(-self.diffusivity * k**2 * t)


def error_of(problem: Slab) -> float:
    """Train in float64, return the error relative to the rise."""
    torch.manual_seed(0)
    pinn = PINN(problem, width=10, depth=2, optimizer=partial(SelfScaledBroyden, max_iter=20))
    data = CollocationDataModule(problem, 200, 30)
    quiet_trainer(max_steps=10, max_epochs=-1, limit_val_batches=0, precision="64-true").fit(pinn, datamodule=data)
    grid = problem.grid()
    exact = problem.exact(grid)
    return float((pinn(grid).detach() - exact).norm() / (exact - problem.base).norm())


def test_a_slab_in_metres_seconds_and_kelvins_is_learnt_as_well_as_its_twin_of_order_one() -> None:
    in_si_units = error_of(Slab(0.1, 600.0, 1e-6, 300.0, 50.0))
    twin = error_of(Slab(1.0, 1.0, 0.06, 0.0, 1.0))
    assert twin < 1e-3
    assert in_si_units < 1e-3
