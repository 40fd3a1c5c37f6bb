"""What a user sees between the command and the first step: our lines, and of Lightning's those that concern the run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_only

from laaf_lightning.activations import named_slopes
from laaf_lightning.cli.chatter import is_about_lightning_itself

# Whichever of Lightning's packages was imported last has set the one that all of them use.
_LOGGERS = (
    "pytorch_lightning.utilities.rank_zero",
    "lightning.pytorch.utilities.rank_zero",
    "lightning_fabric.utilities.rank_zero",
    "lightning.fabric.utilities.rank_zero",
    "lightning_utilities.core.rank_zero",
    "lightning_fabric.utilities.seed",
)


@rank_zero_only
def say(text: str) -> None:
    """Write a line.

    Args:
        text: without the line's end.
    """
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def without_advertisements() -> Iterator[None]:
    """Leave out the lines in which Lightning speaks of itself, of other products, and of devices that are not there.

    Yields:
        Nothing.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(_concerns_the_run)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_concerns_the_run)


def what_runs(model: LightningModule, trainer: Trainer, config: Any) -> str:
    """Say in a line what is about to be trained, and on what.

    Args:
        model: the module.
        trainer: the Trainer.
        config: the settings of the subcommand.

    Returns:
        For example ``"PINN: 1,345 parameters, 4 slopes; cpu, 64-true, seed 0"``.
    """
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    slopes = sum(slope.numel() for _, slope in named_slopes(model))
    problem = getattr(model, "problem", None)
    name = type(model).__name__ + (f" of {type(problem).__name__}" if problem is not None else "")
    device = trainer.strategy.root_device.type
    processes = f" x {trainer.world_size}" if trainer.world_size > 1 else ""
    seed = config.get("seed_everything")
    adapts = (config.get("adapt") or {}).get("scope") not in {None, "fixed"} and not slopes
    return (
        f"{name}: {parameters:,} parameters, {'and the slopes' if adapts else f'{slopes:,} slopes among them'}; "
        f"{device}{processes}, "
        f"{trainer.precision}{'' if seed is None or seed is False else f', seed {seed}'}"
    )


def _concerns_the_run(record: logging.LogRecord) -> bool:
    return not is_about_lightning_itself(record.getMessage())
