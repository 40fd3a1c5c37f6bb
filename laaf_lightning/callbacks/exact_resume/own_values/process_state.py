"""What each process of a run has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_warn

from laaf_lightning.callbacks.exact_resume.own_values.random_states import States, as_plain
from laaf_lightning.callbacks.exact_resume.place import Place
from laaf_lightning.callbacks.exact_resume.unfinished import gradients, logged_values, metric_states


def states_of_processes(
    trainer: Trainer,
    place: Place,
    begun: States,
    now: States,
    more: dict[str, Any],
    *,
    alone: bool,
) -> list[dict[str, Any]]:
    """Collect random states and what is unfinished, from all processes.

    Args:
        trainer: that fits.
        place: where it is.
        begun: random states in which the pass over the data began.
        now: random states after what is done.
        more: what is to be kept beside it, or in place of it.
        alone: whether others may be gone; theirs are left empty then.

    Returns:
        Plain values and tensors by rank.
    """
    module = trainer.lightning_module
    own = {
        "begun": as_plain(begun),
        "now": as_plain(now),
        "gradients": gradients(module) if place.accumulating or not module.automatic_optimization else {},
        "metrics": metric_states(trainer) if place.batches else {},
        "logged": logged_values(trainer) if place.batches else {},
    } | more
    ranks = [own if rank == trainer.global_rank else {} for rank in range(trainer.world_size)]
    if trainer.world_size > 1 and not alone:
        torch.distributed.all_gather_object(ranks, own)
    return ranks


def state_of_this_process(trainer: Trainer, ranks: list[dict[str, Any]]) -> Mapping[str, Any]:
    """Find what this process goes on with, and say where there is nothing.

    Args:
        trainer: that fits.
        ranks: of `states_of_processes`.

    Returns:
        Its state; empty for none.
    """
    if len(ranks) != trainer.world_size:
        rank_zero_warn(
            f"the checkpoint is one of {len(ranks)} processes, and {trainer.world_size} go on: their batches and "
            "random numbers are not those that it would have had"
        )
        return {}
    if not all(ranks):
        rank_zero_warn(
            "the checkpoint was saved by one process as an error ended the run: the random numbers of the others are "
            "not those that they would have had"
        )
    return ranks[trainer.global_rank]
