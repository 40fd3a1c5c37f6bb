"""The checkpoint from which a run goes on, whatever ends it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from weakref import proxy

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities import rank_zero_warn

from laaf_lightning.cli.ends.stop_signals import StopSignals

_OFTEN, _SELDOM = 5.0, 60.0  # seconds between two checkpoints: at least, at most
_COSTS = 100  # times that a checkpoint may take to write until the next
_SHARE = 0.05  # of a long run may be lost
_LOOKS = 1.0  # seconds in which several ranks ask each other
_VALIDATION = 10.0  # seconds for which a signal waits for the end of a validation


class LastCheckpoint(ModelCheckpoint):
    """Keeps ``last.ckpt`` so new that a kill costs a minute or 5 % of the run at most, and always its end.

    It is written by the clock: where a checkpoint is quick to write every few seconds, at the end of an epoch if that
    is near, always between two optimiser steps; and when the training ends, by itself, by a signal or by an error. An
    error in the middle of an optimiser's step leaves the file before, and so do weights that are not finite.

    Args:
        dirpath: where; None for the logger's folder.
        signals: that end the run after a step.
        seconds: between two checkpoints; None for the above.

    Attributes:
        saved_step: the optimiser step of the file; None before there is one.
        failure: why the last attempt failed, where another error has ended the run already.
    """

    def __init__(self, dirpath: Path | None, signals: StopSignals, seconds: float | None = None) -> None:
        super().__init__(dirpath=dirpath, filename="last", enable_version_counter=False, auto_insert_metric_name=False)
        self.signals = signals
        self.saved_step: int | None = None
        self.failure: Exception | None = None
        self._seconds = seconds
        self._started_at = self._saved_at = 0.0
        self._took = 0.0
        self._has_stepped = self._is_stepping = False
        self._has_warned = self._is_refused = False
        self._step_before = 0
        self._steps = self._next_look = 0

    def state_dict(self) -> dict[str, Any]:
        """Keep no state: where the file lies is another run's business.

        Returns:
            Nothing.
        """
        return {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, and take heed of signals."""
        self._started_at = self._saved_at = time.monotonic()
        self._step_before = trainer.global_step
        self._has_stepped = self._is_stepping = False
        self._steps, self._next_look = 0, 1
        self.signals.heeded = not trainer.fast_dev_run  # type: ignore[attr-defined]

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """From here to the end of the step the weights may belong to none."""
        self._is_stepping = True

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Save if it is time; end the run if a signal has come."""
        has_stepped = trainer.global_step > self._step_before
        self._is_stepping = False
        if not has_stepped and trainer.accumulate_grad_batches > 1:
            return
        self._step_before = trainer.global_step
        self._has_stepped = True
        is_due, number = self._look(trainer)
        if is_due or number:
            self._save(trainer, pl_module)
        if number:
            self.signals.end(number)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save at the end of the training, and where it would be time in the midst of the next epoch."""
        is_near = trainer.world_size == 1 and 2 * (time.monotonic() - self._saved_at) > self._interval()
        if self._has_stepped and (is_near or _ends(trainer)):
            self._save(trainer, pl_module)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Wait no longer for the end of a long validation, if a signal has come."""
        waits = self.signals.heeded and self.signals.asked is not None and trainer.world_size == 1
        if waits and time.monotonic() - self.signals.asked_at > _VALIDATION:
            self.signals.end(self.signals.asked or 0)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the run if a signal has come meanwhile."""
        if self.signals.heeded and self._has_stepped and self.signals.asked is not None and trainer.world_size == 1:
            self._save(trainer, pl_module)
            self.signals.end(self.signals.asked)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, unless that has been done."""
        if self._has_stepped and self.saved_step != trainer.global_step:
            self._save(trainer, pl_module)
        self.signals.heeded = False
        if self.signals.asked is not None:
            self.signals.end(self.signals.asked)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save what the last whole step has left, if that is what the weights are."""
        is_whole = not self._is_stepping or trainer.global_step > self._step_before
        is_saved = not self._has_stepped or self.saved_step == trainer.global_step
        if is_saved or not is_whole or self._is_refused or trainer.state.fn != "fit":
            return
        try:
            self._save(trainer, pl_module, alone=True)
        except Exception as error:  # the first one is what is to be told
            self.failure = error

    def _look(self, trainer: Trainer) -> tuple[bool, int]:
        """Find out, alike on all ranks, whether it is time to save, and the signal that has come to any; 0 for none."""
        now = time.monotonic()
        is_due = now - self._saved_at >= self._interval()
        number = self.signals.asked or 0
        if trainer.world_size == 1:
            return is_due, number
        self._steps += 1
        if self._steps < self._next_look:
            return False, 0
        stride = max(1, int(self._steps / max(now - self._started_at, 1e-9) * _LOOKS))
        first = trainer.is_global_zero
        said = torch.tensor([number, first and is_due, stride * first], dtype=torch.int32)
        said = trainer.strategy.reduce(said.to(trainer.strategy.root_device), reduce_op="max")
        number, due, stride = said.tolist()
        self._next_look = self._steps + stride
        return bool(due), number

    def _interval(self) -> float:
        if self._seconds is not None:
            return self._seconds
        longest = max(_SELDOM, _SHARE * (time.monotonic() - self._started_at))
        return min(max(_OFTEN, _COSTS * self._took), longest)

    def _save(self, trainer: Trainer, module: LightningModule, *, alone: bool = False) -> None:
        """Write the file; `alone` where other ranks may not come along."""
        begun = time.monotonic()
        if not all(bool(torch.isfinite(parameter).all()) for parameter in module.parameters()):
            if not self._has_warned:
                step = trainer.global_step
                rank_zero_warn(f"the weights are not finite after step {step}: no checkpoint is written of them")
            self._has_warned = True
            self._saved_at = begun
            return
        path = self.format_checkpoint_name({})
        self._is_refused = True
        with self.signals.writing():
            if alone and trainer.world_size > 1:
                _save_without_others(trainer, path)
            else:
                trainer.save_checkpoint(path, weights_only=False)
        self.best_model_path = self.last_model_path = path
        self.saved_step = trainer.global_step
        self._is_refused = False
        self._saved_at = time.monotonic()
        self._took = self._saved_at - begun
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.after_save_checkpoint(proxy(self))


def _save_without_others(trainer: Trainer, path: str) -> None:
    """Save on rank zero: weights are alike on all, and the others may be gone."""
    if trainer.is_global_zero:
        checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        trainer.strategy.save_checkpoint(checkpoint, path)


def _ends(trainer: Trainer) -> bool:
    """Tell whether this epoch is the last."""
    last_step = 0 <= trainer.max_steps <= trainer.global_step
    epochs = -1 if trainer.max_epochs is None else trainer.max_epochs
    return last_step or 0 <= epochs <= trainer.current_epoch + 1 or trainer.should_stop
