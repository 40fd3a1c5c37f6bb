"""The log of a run's slopes, S(a) and objective, at log steps only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.callbacks.log_now import log_now
from laaf_lightning.callbacks.slope_recovery.slope_record import SlopeRecord
from laaf_lightning.callbacks.slope_recovery.slope_statistics import slope_statistics
from laaf_lightning.callbacks.tensorboard import add_slope_charts, add_slope_histograms, tensorboard_writers


class SlopeLog:
    """Write slopes, S(a) and the objective to every logger, and to ``trainer.callback_metrics``.

    Args:
        sites: (name, site) pairs, each with a slope.
        every_n_steps: optimiser steps between entries; None takes the Trainer's.
        histograms: whether TensorBoard gets a histogram of each layer too.

    Attributes:
        record: what was written.
    """

    def __init__(
        self, sites: list[tuple[str, AdaptiveActivation]], every_n_steps: int | None, histograms: bool
    ) -> None:
        self._sites = sites
        self._every_n_steps = every_n_steps
        self._histograms = histograms
        self._last_step = 0
        self._charts_are_due = True
        self._has_warned = False
        self.record = SlopeRecord([name for name, _ in sites])

    def start(self, step: int) -> None:
        """Count from here.

        Args:
            step: optimiser steps taken so far; not zero in a resumed run.
        """
        self._last_step = step

    def is_due(self, trainer: Trainer) -> bool:
        """Tell whether a log step was reached since the last entry.

        Args:
            trainer: the Trainer.

        Returns:
            True once for each multiple of the interval, also where one batch takes several optimiser steps.
        """
        every: int = getattr(trainer, "log_every_n_steps", 0) if self._every_n_steps is None else self._every_n_steps
        return every > 0 and trainer.global_step // every > self._last_step // every

    def write(self, trainer: Trainer, recovery: float, outputs: Any) -> None:
        """Write one entry at the step of the batch that has just ended, counted from zero as the Trainer does.

        Args:
            trainer: the Trainer.
            recovery: S(a) of the slopes as they are now.
            outputs: what ``on_train_batch_end`` got; its loss has W_a·S(a) in it.
        """
        self._last_step = trainer.global_step
        step = trainer.global_step - 1
        slopes = {name: site.slope for name, site in self._sites}
        metrics, crossed = slope_statistics(slopes)
        self.record.add(step, metrics)
        metrics["slope_recovery"] = recovery
        objective = _objective(trainer, outputs)
        if objective is not None:
            metrics["slope_recovery_objective"] = objective
        log_now(trainer, metrics, step)
        if trainer.is_global_zero and trainer.loggers:
            self._write_to_tensorboard(trainer, slopes, step)
        if crossed and not self._has_warned:
            self._has_warned = True
            rank_zero_warn(
                f"a slope n·a is <= 0 at step {step}: the activation is flat or mirrored there; a smaller learning "
                "rate for the slopes (slope_lr) or slope recovery keeps them positive"
            )

    def _write_to_tensorboard(self, trainer: Trainer, slopes: Mapping[str, Tensor], step: int) -> None:
        for writer in tensorboard_writers(trainer.loggers):
            if self._charts_are_due:
                add_slope_charts(writer, slopes)
            if self._histograms:
                add_slope_histograms(writer, slopes, step)
        self._charts_are_due = False


def _objective(trainer: Trainer, outputs: Any) -> float | None:
    """Return loss + W_a·S(a) of this rank's batch, averaged over ranks; None where Lightning did not optimise."""
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else None
    if not isinstance(loss, Tensor) or not trainer.lightning_module.automatic_optimization:
        return None
    # Lightning hands over the loss divided for accumulation. The product is a new tensor: reduce works in place.
    return float(trainer.strategy.reduce(loss.detach() * trainer.accumulate_grad_batches, reduce_op="mean"))
