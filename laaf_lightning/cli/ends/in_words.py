"""What is said of a run that has ended before it was done: where it lies, what is kept of it, and how it goes on."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.utilities import rank_zero_only

from laaf_lightning.cli.ends.last_checkpoint import LastCheckpoint
from laaf_lightning.cli.ends.stop_signals import Stopped


@rank_zero_only
def tell(sentence: str) -> None:
    """Write a sentence where errors go.

    Args:
        sentence: without the line's end.
    """
    sys.stderr.write(f"laaf: {sentence}\n")
    sys.stderr.flush()


def tell_of(error: BaseException, trainer: Trainer | None, folder: Path | None, config: str) -> None:
    """Say what has ended a run, and what is left of it; nothing of an error before the first step.

    Args:
        error: what ended it.
        trainer: what has trained; None if nothing has.
        folder: of the run.
        config: name of its configuration.
    """
    how = f"stopped by {error}" if isinstance(error, Stopped) else f"ended by {type(error).__name__}"
    if trainer is not None:
        tell(f"{how}{what_is_left(trainer, folder, config)}")
    elif isinstance(error, Stopped):
        tell(how)


def out_of_time(trainer: Trainer) -> bool:
    """Tell whether ``max_time`` has ended a training.

    Args:
        trainer: after it.

    Returns:
        Whether it has.
    """
    timers = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]  # type: ignore[attr-defined]
    return any((timer.time_remaining() or 1) <= 0 for timer in timers)


def what_is_left(trainer: Trainer, folder: Path | None, config: str, change: str = "") -> str:
    """Say what a fit has left behind.

    Args:
        trainer: what has trained.
        folder: of the run.
        config: name of its configuration.
        change: what must be set in order to go on.

    Returns:
        A clause to follow how it ended.
    """
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    last = next((callback for callback in callbacks if isinstance(callback, LastCheckpoint)), None)
    steps = f" after {trainer.global_step} optimiser steps" if trainer.global_step else ""
    lies = f": the run lies in {_from_here(folder)}" if folder is not None else ""
    path = "" if last is None else last.best_model_path or _in_other_processes(folder)
    if last is None or not path:
        return f"{steps}{lies}; no checkpoint was written of it"
    file = path if "://" in path else _from_here(Path(path))
    failure = "" if last.failure is None else f"; a newer one failed ({' '.join(str(last.failure).split())})"
    of_step = "" if last.saved_step is None else f", of step {last.saved_step},"
    kept = f"its last whole checkpoint{of_step} is {file}{failure}"
    if folder is None:
        return f"{steps}; {kept}"
    words = ["laaf", "fit", "--config", _from_here(folder / config), "--ckpt_path", file]
    return f"{steps}{lies}, {kept}, and this goes on from there: {shlex.join(words)}{change}"


def _in_other_processes(folder: Path | None) -> str:
    """Find the checkpoint of a run whose processes have trained, and this one has not."""
    file = None if folder is None else folder / "checkpoints" / "last.ckpt"
    return "" if file is None or not file.is_file() else str(file)


def _from_here(path: Path) -> str:
    """Write a path as it is named from the working folder, where it lies there."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
