"""Hooks of a module that Lightning calls only after the callbacks have saved."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.trainer import call
from pytorch_lightning.utilities.model_helpers import is_overridden


def call_module_early(trainer: Trainer, hook: str, *arguments: Any) -> None:
    """Call a module's own hook now, within the callbacks' hook of that name, and not again after it.

    Callbacks that save come last among callbacks, but before the module: what its hook does, as a step of a moving
    average of the weights, would be missing in the checkpoint and done by nobody after a resume.

    Args:
        trainer: in the callbacks' hook.
        hook: its name.
        arguments: as the module gets them.
    """
    module = trainer.lightning_module
    if not is_overridden(hook, module) or hook in vars(module):
        return
    call._call_lightning_module_hook(trainer, hook, *arguments)
    vars(module)[hook] = lambda *_, **__: vars(module).pop(hook)


def forget_early_calls(trainer: Trainer) -> None:
    """Leave a module as it was, where a run has ended between the two.

    Args:
        trainer: after its fit.
    """
    for hook in ("on_train_batch_end", "on_validation_end"):
        if getattr(vars(trainer.lightning_module).get(hook), "__module__", None) == __name__:
            vars(trainer.lightning_module).pop(hook)
