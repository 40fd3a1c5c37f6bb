"""The processes of other ranks, where a run ends before it is done."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterable
from datetime import timedelta

from pytorch_lightning import Trainer

from laaf_lightning.errors import ConfigurationError

_PATIENCE = 10.0  # seconds in which they may end by themselves
_PAUSE = 0.05


def set_timeout(trainer: Trainer, seconds: float) -> None:
    """Limit how long the processes of a run wait for one of them.

    Args:
        trainer: before it has started any.
        seconds: the limit; one that answers later has ended the run.

    Raises:
        ConfigurationError: if it is not positive, or the strategy has no such limit.
    """
    if not seconds > 0:
        raise ConfigurationError(f"process_timeout={seconds} must be > 0: seconds that processes wait for one of them")
    if trainer.world_size == 1:
        return
    if not hasattr(trainer.strategy, "_timeout"):
        raise ConfigurationError(
            f"process_timeout={seconds}: {type(trainer.strategy).__name__} has no such limit; leave the setting out"
        )
    trainer.strategy._timeout = timedelta(seconds=seconds)


def take_over(trainer: Trainer) -> list[subprocess.Popen[bytes]]:
    """Take the processes that Lightning has started from it.

    As soon as one of them ends with an error, a thread of Lightning's kills this process too, whatever it is writing.

    Args:
        trainer: whose strategy has started them.

    Returns:
        The processes; nothing on other ranks, and where something else has started all of them.
    """
    processes = getattr(trainer.strategy.launcher, "procs", [])
    taken = [process for process in processes if isinstance(process, subprocess.Popen)]
    if taken:
        processes.clear()
    return taken


def end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Wait for processes; end those that hang.

    Args:
        processes: of `take_over`.
    """
    deadline = time.monotonic() + _PATIENCE
    for process in processes:
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        process.kill()  # nothing, if it has ended
        process.wait()


def forward(trainer: Trainer) -> bool:
    """Tell processes to end that train instead of this one, as with ``ddp_spawn``.

    Args:
        trainer: whose strategy has started them.

    Returns:
        Whether there are any, for whose end this process then waits.
    """
    launcher = trainer.strategy.launcher
    processes = [process for process in getattr(launcher, "procs", []) if not isinstance(process, subprocess.Popen)]
    if launcher is None or not any(process.is_alive() for process in processes):
        return False
    launcher.kill(signal.SIGTERM)
    return True
