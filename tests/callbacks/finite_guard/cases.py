"""Runs that come to NaN, each in its own way; what it is and at which step is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

import laaf_lightning as laaf
from laaf_lightning.activations import adaptive_sites
from tests.callbacks.plain_training import Batch, Batches, PlainModule, adapted, one_epoch_trainer, regression_batches

BATCHES = regression_batches(12)


def with_nan_from(step: int, part: int = 1, until: int = 99) -> list[Batch]:
    """Batches with one NaN each from a step on."""
    batches = [(x.clone(), y.clone()) for x, y in BATCHES]
    for batch in batches[step:until]:
        batch[part][2] = math.nan
    return batches


class RootOfZero(PlainModule):
    """From step 4 on a loss that is finite, with a gradient that is not, of one weight."""

    def loss(self, batch: Batch) -> Tensor:
        scale = 1.0 if self.trainer.global_step < 4 else 0.0
        weight = dict(self.named_parameters())["net.2.weight"]
        return super().loss(batch) + (scale * weight).abs().sqrt().mean()


class HugeSteps(PlainModule):
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e300)


class At(Callback):
    """Do something to a module at the end of the batch after which `step` optimiser steps are done."""

    def __init__(self, step: int, act: Callable[[Any, Trainer], object]) -> None:
        self.step, self.act = step, act

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step == self.step:
            with torch.no_grad():
                self.act(pl_module, trainer)


def set_weight(module: Any, trainer: Trainer) -> None:
    module.net[2].weight[0, 0] = math.nan


def set_weight_before(module: Any) -> None:
    with torch.no_grad():
        module.net[2].weight[0, 0] = math.nan


def set_slope(module: Any, trainer: Trainer) -> None:
    """A finite parameter whose n·a is not."""
    slope = dict(adaptive_sites(module))["net.3"].a
    assert slope is not None
    slope.fill_(1.5e308)


def set_momentum(module: Any, trainer: Trainer) -> None:
    trainer.optimizers[0].state[module.net[2].weight]["exp_avg"][0, 0] = math.nan


def set_variance(module: Any, trainer: Trainer) -> None:
    """Adam divides by it, so that the weight stands still, finite."""
    trainer.optimizers[0].state[module.net[2].weight]["exp_avg_sq"][0, 0] = math.inf


def set_buffer(module: Any, trainer: Trainer) -> None:
    module.average.fill_(math.nan)


class WithBuffer(PlainModule):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("average", torch.zeros(2))
        self.register_buffer("mask", torch.tensor([0.0, -math.inf]))  # not finite, and meant so


def fit(
    module: Any, batches: list[Any], *callbacks: Any, guard: laaf.FiniteGuard | None = None, **settings: Any
) -> Any:
    """Fit for one epoch under guard; return the Trainer."""
    guard = laaf.FiniteGuard() if guard is None else guard
    trainer = one_epoch_trainer(*callbacks, guard, **settings)
    trainer.fit(module, Batches(batches))
    return trainer


def module() -> PlainModule:
    return adapted(PlainModule())
