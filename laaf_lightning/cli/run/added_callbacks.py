"""The callbacks that every run has, unless others are asked for, and what they are told of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar

from laaf_lightning.callbacks import AdaptActivations, ExactResume, FigureCallback
from laaf_lightning.checkpoints import write_whole_checkpoints
from laaf_lightning.cli.ends.processes import set_timeout
from laaf_lightning.cli.ends.stop_signals import StopSignals
from laaf_lightning.cli.run.best_checkpoint import checkpoints_for
from laaf_lightning.cli.run.progress import RunProgressBar
from laaf_lightning.cli.run.same_settings import training_settings


def added_callbacks(settings: Any, model: LightningModule, folder: Path | None, signals: StopSignals) -> list[Callback]:
    """Choose checkpoints and the progress bar.

    Args:
        settings: the Trainer's.
        model: the module.
        folder: of the run; None where the logger's serves.
        signals: that end the run.

    Returns:
        Callbacks to add.
    """
    given = settings.callbacks or []
    given = [*given] if isinstance(given, (list, tuple)) else [given]
    added: list[Callback] = []
    if settings.enable_checkpointing is not False and not settings.fast_dev_run and not settings.barebones:
        added += checkpoints_for(model, given, folder, signals)
    shows = settings.enable_progress_bar is not False and not settings.barebones
    if shows and not any(isinstance(callback, ProgressBar) for callback in given):
        added.append(RunProgressBar())
    return added


def settle(trainer: Trainer, config: Any, process_timeout: float | None, folder: Path | None) -> None:
    """Tell a Trainer and its callbacks what they know of the run only now.

    Args:
        trainer: as it was built.
        config: the settings of the subcommand.
        process_timeout: how long processes wait for one of them, in seconds; None for the strategy's own limit.
        folder: of the run; None where the logger's serves.
    """
    write_whole_checkpoints(trainer)
    if process_timeout is not None:
        set_timeout(trainer, process_timeout)
    # Before others that copy a module as they are set up.
    trainer.callbacks.sort(key=lambda callback: not isinstance(callback, AdaptActivations))  # type: ignore[attr-defined]
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, FigureCallback):
            callback.folder = callback.folder or folder
        if isinstance(callback, ExactResume):
            callback.settings = training_settings(config)
