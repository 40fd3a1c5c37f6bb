"""A progress bar over the whole run: optimiser steps of all that there will be."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm

_SECONDS = 0.3  # between two looks at the metrics: each waits for the device


@contextmanager
def quiet_bar(trainer: Trainer) -> Iterator[None]:
    """Show no bar for what is a part of something else.

    Args:
        trainer: whose bar it is.

    Yields:
        Nothing.
    """
    bar = trainer.progress_bar_callback
    if bar is None or (isinstance(bar, TQDMProgressBar) and bar.is_disabled):
        yield
        return
    bar.disable()
    try:
        yield
    finally:
        bar.enable()


class RunProgressBar(TQDMProgressBar):
    """One bar for all epochs: Lightning's starts again with each, and an epoch of a PINN is as long as one likes."""

    def __init__(self) -> None:
        super().__init__()
        self._looked = -math.inf

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        """Go on with the same bar."""
        bar = self.train_progress_bar
        total = trainer.estimated_stepping_batches
        bar.total = None if math.isinf(total) or total < 0 else int(total)
        bar.initial = bar.n = trainer.global_step if bar.n == 0 else bar.n
        epochs = trainer.max_epochs
        told = trainer.max_steps < 0 and epochs is not None and epochs > 0
        bar.set_description(f"epoch {trainer.current_epoch + 1}/{epochs}, step" if told else "step", refresh=False)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Count the optimiser's steps."""
        self._show(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: the bar goes on."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the last step and close."""
        self._looked = -math.inf
        self._show(trainer, pl_module)
        self.train_progress_bar.close()

    def init_validation_tqdm(self) -> Tqdm:
        """Validations within a fit are quick or many: no bar of their own beside the run's."""
        return Tqdm(disable=True) if self.trainer.state.fn == "fit" else super().init_validation_tqdm()

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Leave out the version, which is the run's folder.

        Args:
            trainer: the Trainer.
            pl_module: its module.

        Returns:
            The metrics to show.
        """
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar of a validation on its own."""
        self.val_progress_bar.close()
        self.reset_dataloader_idx_tracker()

    def _show(self, trainer: Trainer, module: LightningModule) -> None:
        bar = self.train_progress_bar
        if bar.disable or time.monotonic() - self._looked < _SECONDS:
            return
        self._looked = time.monotonic()
        bar.n = trainer.global_step
        bar.set_postfix(self.get_metrics(trainer, module), refresh=False)
        bar.refresh()
