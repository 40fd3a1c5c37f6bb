"""What a checkpoint holds, put back where the run had it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytorch_lightning import Trainer

from laaf_lightning.callbacks.exact_resume.own_values.module_values import ModuleValues
from laaf_lightning.callbacks.exact_resume.own_values.random_states import States, from_plain
from laaf_lightning.callbacks.exact_resume.pending_logs import set_callback_metrics, write_pending_logs
from laaf_lightning.callbacks.exact_resume.place import Place, settle_loops
from laaf_lightning.callbacks.exact_resume.plateau import keep_plateau_schedulers, tell_plateau_schedulers
from laaf_lightning.callbacks.exact_resume.training_pass import TrainingPass
from laaf_lightning.callbacks.exact_resume.unfinished import set_gradients, set_metric_states


def take_up(trainer: Trainer, place: Place, resumed: Mapping[str, Any]) -> Callable[[], None]:
    """Put back what all processes have in common.

    Args:
        trainer: at the start of its training.
        place: where it goes on.
        resumed: the state of the checkpoint.

    Returns:
        To be called before the first batch.
    """
    settle_loops(trainer, place)
    set_callback_metrics(trainer, resumed["callback_metrics"])
    tell_plateau_schedulers(trainer, place)
    write_pending_logs(trainer, resumed["pending_logs"])
    return keep_plateau_schedulers(trainer, place)


def take_up_own(
    trainer: Trainer, place: Place, own: Mapping[str, Any], training_pass: TrainingPass, values: ModuleValues
) -> States:
    """Put back what this process has of its own, but for logged values.

    Args:
        trainer: at the start of its training.
        place: where it goes on.
        own: the state of this process.
        training_pass: over its data.
        values: of the module.

    Returns:
        The random states in which it goes on.
    """
    module = trainer.lightning_module
    set_gradients(module, own["gradients"])
    set_metric_states(module, own["metrics"])
    values.set(own["values"])
    now: States = from_plain(own["now"])
    if place.batches:
        training_pass.go_on(from_plain(own["begun"]), place.batches)
    training_pass.set_states(now)
    return now
