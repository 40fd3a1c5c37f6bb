"""A PINN in one parameter whose residual is known, its points, and what two ranks do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

import laaf_lightning as laaf
from tests.ranks import two_rank_trainer
from tests.trainers import quiet_trainer

SETTINGS: dict[str, Any] = {"precision": "64-true", "max_epochs": -1, "limit_val_batches": 0}


class Interval(laaf.PDE):
    """u' = u on [0, 1], u(0) = 1."""

    coordinates: ClassVar[tuple[str, ...]] = ("x",)
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 1.0)}

    def residual(self, x: Mapping[str, Tensor], u: laaf.Field) -> Tensor:
        return u.d("x") - u

    def conditions(self) -> Sequence[laaf.Dirichlet]:
        return (laaf.Dirichlet("start", ("x", 0.0), torch.ones_like),)

    def exact(self, points: Tensor) -> Tensor:
        return points.exp()


class LineWork:
    """r(x) = a·x with a = 1 at the start, and the misfit a + 2b − 1; for either package's LightningModule."""

    def __init__(self, optimizer: str = "sgd") -> None:
        super().__init__()
        self.a = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.b = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.weight_residual, self.weight_data = 1.0, 1.0
        self.optimizer = optimizer
        self.seen: list[Tensor] = []
        self.steps: list[int] = []
        self.asked: list[int] = []

    def residual(self, points: Tensor) -> Tensor:
        self.asked.append(len(points))
        return self.a * points

    def loss_terms(self, batch: laaf.CollocationBatch) -> dict[str, Tensor]:
        data = (self.a + 2 * self.b - batch.condition_values).square().mean()
        return {"residual": self.residual(batch.residual_points).square().mean(), "data": data}

    def training_step(self, batch: laaf.CollocationBatch) -> Tensor:
        self.seen.append(batch.residual_points.clone())
        self.steps.append(self.trainer.global_step)  # type: ignore[attr-defined]
        terms = self.loss_terms(batch)
        return self.weight_residual * terms["residual"] + self.weight_data * terms["data"]

    def validation_step(self, batch: Any) -> None:
        """The DataModule has a grid, and Lightning would warn."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.optimizer == "lbfgs":
            return torch.optim.LBFGS([self.a, self.b], lr=0.1, max_iter=4)
        return torch.optim.SGD([self.a, self.b], lr=0.1)


class Line(LineWork, LightningModule):
    """Knows nothing of the package."""


def interval_data(num_residual: int = 12, **settings: Any) -> laaf.CollocationDataModule:
    return laaf.CollocationDataModule(Interval(), num_residual, 2, **{"steps_per_epoch": 4, **settings})


def fit_line(
    *callbacks: Callback, data: Any = None, module: Line | None = None, steps: int = 6, **settings: Any
) -> tuple[Line, laaf.CollocationDataModule, Trainer]:
    """Fit in float64, where points are as they were drawn."""
    module, data = module or Line(), data or interval_data()
    trainer = quiet_trainer(*callbacks, **{**SETTINGS, "max_steps": steps, **settings})
    trainer.fit(module, datamodule=data)
    return module, data, trainer


def small_pinn(**settings: Any) -> laaf.PINN:
    torch.manual_seed(0)
    return laaf.PINN(Interval(), **{"width": 3, "depth": 2, "n": 2, **settings})


def fitted_on_two_ranks(method: Any, **settings: Any) -> dict[str, Any]:
    module, data = Line(), interval_data()
    callbacks = [laaf.ResampleCollocation(2, method, **settings), laaf.AdaptiveLossWeights(2)]
    trainer = two_rank_trainer(**SETTINGS, max_steps=6, callbacks=callbacks)
    trainer.fit(module, datamodule=data)
    return {
        "seen": module.seen,
        "asked": module.asked,
        "points": data.residual_points(),
        "weights": [module.weight_residual, module.weight_data],
        "parameters": [module.a.item(), module.b.item()],
    }


def uniform_on_two_ranks() -> dict[str, Any]:
    return fitted_on_two_ranks("uniform")


def rad_on_two_ranks() -> dict[str, Any]:
    return fitted_on_two_ranks("rad")


def rar_on_two_ranks() -> dict[str, Any]:
    return fitted_on_two_ranks("rar", num_added=4, max_points=19)


class Diverges(Line):
    def residual(self, points: Tensor) -> Tensor:
        return self.a * points / 0


def refusal(module: Line, callback: Callback) -> str:
    trainer = two_rank_trainer(**SETTINGS, max_steps=2, callbacks=[callback])
    try:
        trainer.fit(module, datamodule=interval_data())
    except laaf.ConfigurationError as error:
        return str(error)
    return "trained"


def refusals_on_two_ranks() -> list[str]:
    """An odd number of points to add, and a residual that is not finite, which only rank zero computes."""
    odd = refusal(Line(), laaf.ResampleCollocation(1, "rar", num_added=3))
    return [odd, refusal(Diverges(), laaf.ResampleCollocation(1, "rad"))]
