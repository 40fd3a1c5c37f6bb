"""Logged values that the Trainer writes only after the hook in which a checkpoint is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytorch_lightning import Trainer


def pending_logs(trainer: Trainer) -> dict[str, Any]:
    """Read what is about to be written: in ``on_train_batch_end`` of a step, in ``on_train_epoch_end`` of an epoch.

    Args:
        trainer: that fits; on all processes, since values may be means over them.

    Returns:
        ``step`` and ``values``, plain; empty in all other hooks.
    """
    connector, loop = trainer._logger_connector, trainer.fit_loop.epoch_loop
    batches: Any = loop.batch_progress.current
    epochs: Any = trainer.fit_loop.epoch_progress.current
    step = loop._batches_that_stepped
    if not trainer.training or not trainer.loggers:
        return {}
    if batches.processed != batches.completed:
        if trainer.fit_loop._should_accumulate() or not connector.should_update_logs:
            return {}
    elif epochs.processed != epochs.completed:
        step -= 1
    else:
        return {}
    logged = connector.metrics["log"]
    if not logged:
        return {}
    values = {"epoch": float(trainer.current_epoch)} | {name: float(value) for name, value in logged.items()}
    return {"step": int(values.pop("step", step)), "values": values}


def write_pending_logs(trainer: Trainer, pending: Mapping[str, Any]) -> None:
    """Write what a run that was cut off may not have written.

    Args:
        trainer: that goes on.
        pending: of `pending_logs`.
    """
    for logger in trainer.loggers if pending else []:
        logger.log_metrics(dict(pending["values"]), step=pending["step"])
        logger.save()


def flush_loggers(trainer: Trainer) -> None:
    """Write out what loggers have in hand.

    Args:
        trainer: whose loggers they are.
    """
    for logger in trainer.loggers if trainer.is_global_zero else []:
        flush = getattr(getattr(logger, "experiment", None), "flush", None)
        if callable(flush):
            flush()


def set_callback_metrics(trainer: Trainer, metrics: Mapping[str, Any]) -> None:
    """Put back what callbacks and schedulers look at.

    Args:
        trainer: that goes on.
        metrics: tensors by name.
    """
    trainer._logger_connector._callback_metrics.update({name: value.clone() for name, value in metrics.items()})
