"""A Trainer that says nothing, writes nothing and runs on the CPU, for either Lightning package."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytorch_lightning
from pytorch_lightning import Trainer

# Quiet; what writes is off.
_SETTINGS: dict[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "log_every_n_steps": 1,
}


def quiet_trainer(*callbacks: Any, namespace: ModuleType = pytorch_lightning, **settings: Any) -> Trainer:
    """Make a quiet Trainer.

    Args:
        callbacks: what it gets, unless `settings` has them.
        namespace: ``pytorch_lightning`` or ``lightning.pytorch``.
        settings: what differs from quiet.
    """
    trainer: Trainer = namespace.Trainer(**{**_SETTINGS, "callbacks": [*callbacks], **settings})
    return trainer
