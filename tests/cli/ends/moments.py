"""A callback that does something at a moment of a run, named in the settings of the command line."""

from __future__ import annotations

import os
import signal
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer


class AtMoment(Callback):
    """Sends signals to its own process, or raises an error.

    Args:
        hook: the moment.
        step: the optimiser step from which on.
        signals: their numbers, sent one after the other; none for an error.
    """

    def __init__(self, hook: str, step: int = 0, signals: list[int] | None = None) -> None:
        self.step, self.signals, self.done = step, signals, False
        setattr(self, hook, self.act)

    def act(self, trainer: Trainer, *_: Any) -> None:
        """Do it once."""
        if self.done or trainer.global_step < self.step:
            return
        self.done = True
        if self.signals is None:
            raise ArithmeticError("at this moment")
        for number in self.signals:
            os.kill(os.getpid(), number)


class SpoilsWeights(Callback):
    """Makes the weights NaN after a step."""

    def __init__(self, step: int = 3) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Do it."""
        if trainer.global_step == self.step:
            with torch.no_grad():
                next(pl_module.parameters()).fill_(torch.nan)


class CutsOffStep(torch.optim.SGD):
    """An optimiser that sends its process Ctrl-C twice in the middle of the third step."""

    count = 0

    def step(self, closure: Any = None) -> Any:
        """Change one parameter only."""
        loss = closure()
        CutsOffStep.count += 1
        if CutsOffStep.count % 3 == 0:
            with torch.no_grad():
                self.param_groups[0]["params"][0].fill_(7.0)
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return loss
