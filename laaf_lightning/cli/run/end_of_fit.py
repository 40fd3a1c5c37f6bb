"""What is done and said when a fit has come to its end."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import LightningDataModule, LightningModule, Trainer

from laaf_lightning.cli.run.best_checkpoint import BestCheckpoint
from laaf_lightning.cli.run.progress import quiet_bar
from laaf_lightning.cli.run.steps import Steps
from laaf_lightning.modules import AdaptiveModule


def validate_last_steps(
    trainer: Trainer, model: LightningModule, datamodule: LightningDataModule | None, steps: Steps
) -> None:
    """Validate, if the last steps of the fit have had no validation, and keep the network if it is the best.

    Args:
        trainer: after its fit.
        model: its module; others than ours are left alone.
        datamodule: its data.
        steps: what the fit has done.
    """
    if steps.validated == trainer.global_step or not any(trainer.num_val_batches):
        return
    if not isinstance(model, AdaptiveModule):
        return
    with quiet_bar(trainer):
        trainer.validate(model, datamodule, verbose=False)
    for checkpoint in trainer.checkpoint_callbacks:
        if isinstance(checkpoint, BestCheckpoint) and steps.taken:
            checkpoint.consider(trainer)


def when_in_words(config: Any, steps: int, seconds: float | None, *, any_taken: bool) -> str:
    """Write after how many steps a fit has ended, or why it took none.

    Args:
        config: the settings of the subcommand.
        steps: of the optimiser, those before a resumed run among them.
        seconds: that the fit took.
        any_taken: whether it took a step.

    Returns:
        A clause to follow the result.

    Example:
        >>> when_in_words({}, 20, 3.0, any_taken=True)
        ' after 20 optimiser steps in 3.0 s'
    """
    if any_taken:
        return f" after {steps} optimiser steps in {_in_words(seconds)}"
    settings = config["trainer"]
    limits = {name: settings.get(name) for name in ("max_steps", "max_epochs", "max_time", "limit_train_batches")}
    told = ", ".join(f"{name}={value}" for name, value in limits.items() if value not in {None, -1})
    path = config.get("ckpt_path")
    begun = f"{path} has {steps} optimiser steps behind it and " if path else ""
    return f"; nothing was left to do: {begun}{told or 'the data'} allow no more (--trainer.max_steps)"


def _in_words(seconds: float | None) -> str:
    """Write a time."""
    seconds = seconds or 0.0
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
