"""A finite state of a fit in memory, and the way back to it with smaller learning rates."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

_RATES = ("lr", "initial_lr", "max_lr", "min_lr")
_SCHEDULED = ("base_lrs", "max_lrs", "min_lrs", "_last_lr", "eta_min")


class Snapshot:
    """Parameters, buffers and optimisers' states of a fit as they are now.

    Args:
        step: optimiser steps taken so far.
        module: the module.
        optimizers: of the Trainer.

    Attributes:
        step: see there.
    """

    def __init__(self, step: int, module: LightningModule, optimizers: Sequence[Optimizer]) -> None:
        self.step = step
        self._tensors = [tensor.detach().clone() for tensor in _tensors(module)]
        self._states = [copy.deepcopy(optimizer.state_dict()) for optimizer in optimizers]

    @torch.no_grad()
    def restore(self, module: LightningModule, optimizers: Sequence[Optimizer]) -> None:
        """Put everything back but learning rates, which stay as they are now.

        Args:
            module: the module.
            optimizers: of the Trainer.
        """
        for tensor, kept in zip(_tensors(module), self._tensors, strict=True):
            tensor.copy_(kept)
        for parameter in module.parameters():
            parameter.grad = None
        for optimizer, state in zip(optimizers, self._states, strict=True):
            rates = [{key: group[key] for key in _RATES if key in group} for group in groups_of(optimizer)]
            optimizer.load_state_dict(copy.deepcopy(state))
            for group, kept_rates in zip(groups_of(optimizer), rates, strict=True):
                group.update(kept_rates)


def scale_learning_rates(trainer: Trainer, module: LightningModule, factor: float) -> None:
    """Multiply all learning rates, those that schedules start from too.

    Args:
        trainer: with optimisers and schedulers.
        module: told by ``learning_rates_scaled(factor)``, if it has that method.
        factor: > 0.
    """
    for optimizer in trainer.optimizers:
        for group in groups_of(optimizer):
            group.update({key: group[key] * factor for key in _RATES if key in group})
    for config in trainer.lr_scheduler_configs:
        for scheduler in _schedulers(config.scheduler):
            for name in _SCHEDULED:
                rates = getattr(scheduler, name, None)
                if isinstance(rates, list):
                    setattr(scheduler, name, [rate * factor for rate in rates])
                elif isinstance(rates, float):
                    setattr(scheduler, name, rates * factor)
    told = getattr(module, "learning_rates_scaled", None)
    if callable(told):
        told(factor)


def groups_of(optimizer: Optimizer) -> list[dict[str, Any]]:
    """List the groups of an optimiser and of those that it is made of, each once.

    Args:
        optimizer: any.

    Returns:
        The groups.
    """
    stages = [*getattr(optimizer, "stages", ()), optimizer]
    return [*{id(group): group for stage in stages for group in stage.param_groups}.values()]


def _tensors(module: LightningModule) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _schedulers(scheduler: Any) -> Iterator[Any]:
    yield scheduler
    for inner in getattr(scheduler, "_schedulers", ()):
        yield from _schedulers(inner)
