"""Copies of a module that other callbacks have made before it was adapted, as those that average weights."""

from __future__ import annotations

from pytorch_lightning import LightningModule, Trainer
from torch.optim.swa_utils import AveragedModel


def copies_in_callbacks(trainer: Trainer, module: LightningModule) -> list[LightningModule]:
    """Find the copies of a module that callbacks hold.

    Args:
        trainer: whose callbacks were set up.
        module: that is about to be adapted.

    Returns:
        Other modules of its class, each once. A callback that goes through the parameters of both side by side would
        mix them up if one alone had slopes.
    """
    held = [value for callback in trainer.callbacks for value in vars(callback).values()]  # type: ignore[attr-defined]
    opened = (value.module if isinstance(value, AveragedModel) else value for value in held)
    return [*dict.fromkeys(one for one in opened if type(one) is type(module) and one is not module)]
