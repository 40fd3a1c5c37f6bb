"""Schedulers that look at a metric, where a checkpoint was saved before they were told of it."""

from __future__ import annotations

from pytorch_lightning import Trainer

from laaf_lightning.callbacks.exact_resume.place import Place


def tell_plateau_schedulers(trainer: Trainer, place: Place) -> None:
    """Do what the Trainer does after the hook that saved.

    Args:
        trainer: at the start of its training, with the metrics of then.
        place: where it goes on.
    """
    count = {"step": place.batches, "epoch": place.epochs, "": 0}[place.plateau]
    for config in trainer.lr_scheduler_configs:
        due = count and config.reduce_on_plateau and config.interval == place.plateau
        if not due or count % config.frequency or place.accumulating:
            continue
        value = trainer.callback_metrics.get(str(config.monitor))
        if value is not None:
            trainer.lightning_module.lr_scheduler_step(config.scheduler, value)
