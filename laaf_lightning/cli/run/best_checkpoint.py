"""The network with the best validated error, kept beside the last one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint
from pytorch_lightning.utilities import rank_zero_info

from laaf_lightning.cli.ends.last_checkpoint import LastCheckpoint
from laaf_lightning.cli.ends.stop_signals import StopSignals
from laaf_lightning.modules import AdaptiveModule


class BestCheckpoint(ModelCheckpoint):
    """A `ModelCheckpoint` that waits for its metric: where nothing is validated, or NaN comes out, nothing is kept.

    Args:
        monitor: the metric.
        mode: ``"min"`` or ``"max"``.
        dirpath: where; None for the logger's folder.
    """

    _has_said = False

    def __init__(self, monitor: str, mode: str, dirpath: Path | None = None) -> None:
        super().__init__(
            dirpath=dirpath, filename="best-step={step}", monitor=monitor, mode=mode, auto_insert_metric_name=False
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with what this folder holds; the best of another run is that run's, and stays where it is.

        Args:
            state_dict: of a run that may have written elsewhere.
        """
        if self.dirpath is not None and state_dict.get("dirpath") == self.dirpath:
            super().load_state_dict(state_dict)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if the metric is there and the best so far."""
        if self._has_number(trainer):
            super().on_train_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if the metric is there and the best so far."""
        if self._has_number(trainer):
            super().on_validation_end(trainer, pl_module)

    def consider(self, trainer: Trainer) -> None:
        """Keep the network as it is now if a validation after the fit has found it the best.

        Args:
            trainer: after that validation.
        """
        assert self.monitor is not None
        value, best = trainer.callback_metrics.get(self.monitor), self.best_model_score
        if value is None or self.dirpath is None or not bool(torch.isfinite(value)):
            return
        if best is not None and not (value < best if self.mode == "min" else value > best):
            return
        path = str(Path(self.dirpath) / f"best-step={trainer.global_step}.ckpt")
        trainer.save_checkpoint(path, weights_only=False)
        if self.best_model_path and self.best_model_path != path:
            trainer.strategy.remove_checkpoint(self.best_model_path)
        self.best_model_path, self.best_model_score = path, value

    def _has_number(self, trainer: Trainer) -> bool:
        """Tell whether the metric is there and finite; say once if it is not."""
        assert self.monitor is not None
        value = trainer.callback_metrics.get(self.monitor)
        if value is None or bool(torch.isfinite(value)):
            return value is not None
        if not self._has_said:
            self._has_said = True
            rank_zero_info(
                f"{self.monitor} is {float(value):g} after {trainer.global_step} optimiser steps: the best network is "
                "sought among those where it is a number."
            )
        return False


def checkpoints_for(
    model: LightningModule, given: list[object], folder: Path | None, signals: StopSignals
) -> list[Checkpoint]:
    """Choose which checkpoints a run keeps: the last, and the best where the module says what that is.

    Args:
        model: the module.
        given: the callbacks that were asked for; with a checkpoint among them, the last is all that is added.
        folder: the folder of the run; None where the logger's serves.
        signals: that end the run.

    Returns:
        Callbacks to add.
    """
    where = None if folder is None else folder / "checkpoints"
    last = LastCheckpoint(where, signals)
    if any(isinstance(callback, Checkpoint) for callback in given):
        return [last]
    if not isinstance(model, AdaptiveModule) or not (monitored := model.monitored):
        return [last]
    return [BestCheckpoint(*monitored, where), last]
