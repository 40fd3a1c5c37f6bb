"""SIGTERM and Ctrl-C: a training step is finished, its checkpoint written, and the process ends with 128 + signal."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen
from typing import Any, NoReturn

from pytorch_lightning import Callback, LightningModule, Trainer

from laaf_lightning.cli.ends.processes import end, forward, take_over

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(SystemExit):
    """A run that a signal has ended.

    Args:
        number: of the signal; the exit status is 128 more, as shells have it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number

    def __str__(self) -> str:
        """Name the signal."""
        return "Ctrl-C" if self.number == signal.SIGINT else signal.Signals(self.number).name


class StopSignals(Callback):
    """Takes SIGTERM and Ctrl-C for as long as the command line runs.

    Outside of training the process ends at once. While a checkpoint callback takes heed (`heeded`), the signal is only
    noted: an optimiser that is cut off in the middle of a step leaves weights that belong to no step. A second Ctrl-C
    ends at once there too, but for a checkpoint that is being written. A signal that is ignored, as SIGINT is under
    ``nohup``, or a Ctrl-C that has a handler of somebody else's, stays as it is; a foreign handler of SIGTERM is called
    too. Requeueing under SLURM has a signal of its own, which is left to Lightning.

    Attributes:
        asked: the signal that came; None before.
        asked_at: when, by `time.monotonic`.
        heeded: whether somebody looks at `asked` and ends the run.
        trainer: whose processes hear of it too.
        others_train: whether they have heard of it, and train instead of this one.
        processes: of other ranks, which Lightning has started, and which this run has to end.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self.asked_at = 0.0
        self.heeded = False
        self.trainer: Trainer | None = None
        self.others_train = False
        self.processes: list[Popen[bytes]] = []
        self._is_writing = False
        self._before: dict[int, Any] = {}

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take the signals; afterwards handlers are as they were.

        Yields:
            Nothing.
        """
        if threading.current_thread() is not threading.main_thread():  # Python allows no handlers there
            yield
            return
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._before = {number: handler for number, handler in handlers.items() if _may_be_taken(number, handler)}
        try:
            self._take()
            yield
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._before = {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let nothing cut off what is being written.

        Yields:
            Nothing.
        """
        self._is_writing = True
        try:
            yield
        finally:
            self._is_writing = False

    def end(self, number: int) -> NoReturn:
        """End the run.

        Args:
            number: of the signal, also where another process got it.

        Raises:
            Stopped: always.
        """
        self.asked = number
        raise Stopped(number)

    def ended_by(self, error: BaseException) -> BaseException:
        """End what the run has started.

        Args:
            error: what ended it.

        Returns:
            What did: the signal, where its processes have ended by it.
        """
        end(self.processes)
        if self.asked is None or isinstance(error, Stopped):
            return error
        return Stopped(self.asked).with_traceback(error.__traceback__)

    def __call__(self, number: int, frame: Any) -> None:
        """Handle a signal.

        Args:
            number: of the signal.
            frame: where the program was.

        Raises:
            Stopped: unless the run is to end in its own time, or ends already.
        """
        first, again = self.asked is None, self.asked == number == signal.SIGINT
        self.asked = number if first else self.asked
        self.asked_at = time.monotonic() if first else self.asked_at
        foreign = self._before.get(number)
        if number == signal.SIGTERM and callable(foreign) and foreign is not self:
            foreign(number, frame)
        if first and self.trainer is not None and forward(self.trainer):
            self.others_train = True
            return
        if self._is_writing:
            return
        if (first and not self.heeded) or (again and self.heeded):
            raise Stopped(number)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Let the other processes end in peace."""
        self.heeded = False
        self.processes += take_over(trainer)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what another process has no use for, when a strategy spawns some."""
        return {**vars(self), "_before": dict.fromkeys(self._before), "processes": []}

    def _take(self) -> None:
        """Take the signals, from Lightning too, whose handler talks to other ranks in the middle of their work."""
        if threading.current_thread() is threading.main_thread():
            for number in self._before:
                signal.signal(number, self)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take them again."""
        self._take()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take them again."""
        self._take()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take them again."""
        self._take()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take them again."""
        self._take()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take them again."""
        self._take()


def _may_be_taken(number: int, handler: Any) -> bool:
    if handler is None or handler == signal.SIG_IGN:
        return False
    return number == signal.SIGTERM or handler in {signal.SIG_DFL, signal.default_int_handler}
