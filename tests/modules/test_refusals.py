"""What is refused, or told, before a fit starts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from laaf_lightning.data import CollocationDataModule
from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.modules.refusals import refuse_coarse_coordinates
from laaf_lightning.problems import PDE, Condition, Dirichlet
from tests.trainers import quiet_trainer


@dataclass(frozen=True)
class Road(PDE):
    """A straight line between two points."""

    low: float
    high: float

    coordinates: ClassVar[tuple[str, ...]] = ("x",)

    @property
    def domain(self) -> Mapping[str, tuple[float, float]]:  # type: ignore[override]
        return {"x": (self.low, self.high)}

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("x", "x")

    def conditions(self) -> Sequence[Condition]:
        return [Dirichlet("begin", ("x", self.low), 0.0), Dirichlet("end", ("x", self.high), 1.0)]


@pytest.mark.parametrize("bounds", [(0.0, 1e6), (2000.0, 2020.0), (-1e-9, 1e-9), (0.0, 1.0)])
def test_coordinates_that_float32_resolves_are_left_alone(bounds: tuple[float, float]) -> None:
    refuse_coarse_coordinates(Road(*bounds), torch.float32)


def test_coordinates_far_from_0_are_told_or_refused() -> None:
    with pytest.warns(UserWarning, match=r"^x in .* about 839 different .*float32: take double precision"):
        refuse_coarse_coordinates(Road(1e9, 1e9 + 1e5), torch.float32)
    with pytest.raises(ConfigurationError, match=r"^x in .* has about 8 different values in torch.float32: .*64-true"):
        refuse_coarse_coordinates(Road(1e6, 1e6 + 1), torch.float32)
    refuse_coarse_coordinates(Road(1e6, 1e6 + 1), torch.float64)


def test_they_are_looked_at_when_a_fit_starts() -> None:
    problem = Road(1e6, 1e6 + 1e-3)
    model, data = PINN(problem, width=3, depth=1), CollocationDataModule(problem, 5, 2)
    with pytest.raises(ConfigurationError, match="about 1 different values"):
        quiet_trainer(max_steps=1, limit_val_batches=0).fit(model, datamodule=data)
    trainer = quiet_trainer(max_steps=1, limit_val_batches=0, precision="64-true")
    trainer.fit(model, datamodule=data)
    assert math.isfinite(trainer.callback_metrics["train/loss"])
