"""Schedulers that look at a metric, where a checkpoint was saved before they were told of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from pytorch_lightning import Trainer

from laaf_lightning.callbacks.exact_resume.place import Place


def tell_plateau_schedulers(trainer: Trainer, place: Place) -> None:
    """Do what the Trainer does after the hook that saved.

    Args:
        trainer: at the start of its training, with the metrics of then.
        place: where it goes on.
    """
    count = {"step": place.batches, "epoch": place.epochs}.get(place.plateau, 0)
    for config in trainer.lr_scheduler_configs:
        due = count and config.reduce_on_plateau and config.interval == place.plateau
        if not due or count % config.frequency or place.accumulating:
            continue
        value = trainer.callback_metrics.get(str(config.monitor))
        if value is not None:
            trainer.lightning_module.lr_scheduler_step(config.scheduler, value)


def keep_plateau_schedulers(trainer: Trainer, place: Place) -> Callable[[], None]:
    """Remember schedulers that the Trainer is about to tell a second time.

    Args:
        trainer: at the start of its training.
        place: where it goes on.

    Returns:
        Puts them back as they are now; nothing where there are none.
    """
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs if config.reduce_on_plateau]
    schedulers = schedulers if place.plateau == "told" else []
    states = [copy.deepcopy(scheduler.state_dict()) for scheduler in schedulers]
    rates: list[list[Any]] = [[group["lr"] for group in scheduler.optimizer.param_groups] for scheduler in schedulers]

    def put_back() -> None:
        for scheduler, state, before in zip(schedulers, states, rates, strict=True):
            scheduler.load_state_dict(state)
            for group, rate in zip(scheduler.optimizer.param_groups, before, strict=True):
                group["lr"] = rate

    return put_back
