"""Numbers that a callback logs at the moment at which it has them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pytorch_lightning import Trainer


def log_now(trainer: Trainer, metrics: Mapping[str, float], step: int, also: Mapping[str, float] | None = None) -> None:
    """Hand numbers to every logger, and to ``trainer.callback_metrics``, for schedulers and checkpoints that ask there.

    Lightning's own ``log`` would keep them to its next log step, and reduce them over ranks.

    Args:
        trainer: the Trainer.
        metrics: by name; the same on all ranks.
        step: at which they are written.
        also: what only loggers get beside them.
    """
    trainer.callback_metrics.update({name: torch.tensor(value) for name, value in metrics.items()})
    for logger in trainer.loggers:
        logger.log_metrics({**metrics, **(also or {})}, step=step)
