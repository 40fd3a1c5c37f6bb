"""A LightningModule with an optimiser and a scheduler from factories, and the slopes in a group of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from laaf_lightning.lightning_packages import PytorchLightningModule
from laaf_lightning.modules.optimization.line_searches import refuse_harm
from laaf_lightning.modules.optimization.optimizer import (
    OptimizerFactory,
    SchedulerFactory,
    build_optimizer,
    configure,
    mean_closure,
)
from laaf_lightning.modules.optimization.plain_factories import check_factory
from laaf_lightning.modules.optimization.schedule import Schedule


class OptimizedModule(PytorchLightningModule):
    """Base of `AdaptiveModule`: all that concerns its optimiser.

    Attributes:
        lr: a learning rate that goes before the optimiser's own, for weights and, unless they have one, slopes; None
            for none. Lightning's ``Tuner.lr_find`` sets it.
        lr_scheduler_interval: when the scheduler steps, ``"step"`` or ``"epoch"``.
    """

    lr: float | None = None
    lr_scheduler_interval = "epoch"
    averages_closure_over_ranks = True

    def _use_factories(
        self, optimizer: OptimizerFactory, lr_scheduler: SchedulerFactory | None, slope_lr: float | None
    ) -> None:
        """Take the factories; for the constructor.

        Args:
            optimizer: called with parameter groups, returns the optimiser.
            lr_scheduler: called with the optimiser, returns a scheduler; None for a constant learning rate.
            slope_lr: learning rate of the slopes; None for the optimiser's.
        """
        check_factory("optimizer", optimizer)
        check_factory("lr_scheduler", lr_scheduler)
        self._make_optimizer, self._make_scheduler, self._slope_lr = optimizer, lr_scheduler, slope_lr
        self._schedule: Schedule | None = None

    def configure_optimizers(self) -> Any:
        """Build the optimiser with the slopes in a group of their own, and the scheduler.

        Returns:
            What Lightning expects.
        """
        optimizer = build_optimizer(self, self._make_optimizer, self._slope_lr, self.lr)
        if self.attached_trainer is not None:
            refuse_harm(optimizer, self.attached_trainer)
        self._schedule, configured = configure(
            self, optimizer, self._make_scheduler, self._slope_lr, self.lr_scheduler_interval
        )
        return configured

    def learning_rates_scaled(self, factor: float) -> None:
        """Take note that a callback has multiplied all learning rates, those that the scheduler starts from too.

        Args:
            factor: by which.
        """
        if self._schedule is not None:
            self._schedule.note_scaled(factor)

    def lr_scheduler_step(self, scheduler: Any, metric: Any | None) -> None:
        """Let the scheduler step, with the slopes' learning rate in its ratio to the weights'.

        Args:
            scheduler: the scheduler.
            metric: what a ReduceLROnPlateau watches.
        """
        if self._schedule is None or self._schedule.scheduler is not scheduler:
            super().lr_scheduler_step(scheduler, metric)
            return
        with self._schedule.step():
            super().lr_scheduler_step(scheduler, metric)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """Step with a closure whose value is the mean over ranks, as the gradients are.

        A line search on each rank's own value would let the ranks part ways.

        Args:
            epoch: current epoch.
            batch_idx: current batch.
            optimizer: the optimiser.
            optimizer_closure: computes loss and gradients.
        """
        if self.trainer.world_size > 1 and optimizer_closure is not None:
            optimizer_closure = mean_closure(optimizer_closure, self.trainer.strategy)
        optimizer.step(closure=optimizer_closure)
