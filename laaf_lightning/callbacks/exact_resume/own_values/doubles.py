"""Weights in double precision."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.plugins import DoublePrecision


def load_doubles(trainer: Trainer, checkpoint: dict[str, Any]) -> None:
    """Load weights of ``precision="64-true"`` again: the Trainer does so before it makes the module one of doubles.

    Args:
        trainer: that has loaded them into floats.
        checkpoint: that has them.
    """
    module, plugin = trainer.lightning_module, trainer.precision_plugin
    if isinstance(plugin, DoublePrecision):
        plugin.convert_module(module)
        trainer.strategy.load_model_state_dict(checkpoint, strict=module.strict_loading)
