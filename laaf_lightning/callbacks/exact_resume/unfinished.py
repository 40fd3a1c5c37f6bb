"""What a run has in hand between two optimiser steps or two ends of epochs, and no checkpoint of Lightning holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.trainer.connectors.logger_connector.result import _Metadata, _ResultMetric, _Sync
from torch import Tensor
from torchmetrics import Metric

State = dict[str, Any]


def gradients(module: LightningModule) -> State:
    """Copy the gradients that wait for an optimiser step.

    Args:
        module: that is fitted.

    Returns:
        By parameter; those without are left out.
    """
    return {name: p.grad.detach().cpu().clone() for name, p in module.named_parameters() if p.grad is not None}


def set_gradients(module: LightningModule, state: State) -> None:
    """Put gradients back.

    Args:
        module: that is fitted.
        state: of `gradients`.
    """
    for name, parameter in module.named_parameters():
        if name in state:
            parameter.grad = state[name].to(parameter.device, parameter.dtype)


def metric_states(trainer: Trainer) -> State:
    """Copy what metrics have seen since they were last reset.

    Args:
        trainer: that fits.

    Returns:
        By the metric's name in the module; those that have seen nothing, and those that a validation has logged, which
        begins anew, are left out.
    """
    of_validation = {
        id(result.value) for result in trainer.fit_loop.epoch_loop.val_loop._results.values() if not result.is_tensor
    }
    return {
        name: {"count": metric._update_count, "state": {key: _copy(getattr(metric, key)) for key in metric._defaults}}
        for name, metric in _metrics(trainer.lightning_module)
        if metric._update_count and id(metric) not in of_validation
    }


def set_metric_states(module: LightningModule, states: State) -> None:
    """Put metrics back.

    Args:
        module: that is fitted.
        states: of `metric_states`.
    """
    for name, metric in _metrics(module):
        if name not in states:
            continue
        for key, value in states[name]["state"].items():
            setattr(metric, key, _copy(value, metric.device))
        metric._update_count = states[name]["count"]
        metric._computed = None


class LoggedMeans:
    """The values that were logged for the end of the epoch, and are gathered batch by batch.

    Args:
        state: of `LoggedMeans.read`.
    """

    def __init__(self, state: State) -> None:
        self._left = dict(state)

    @staticmethod
    def read(trainer: Trainer) -> State:
        """Copy what was gathered.

        Args:
            trainer: that fits.

        Returns:
            Plain values and tensors by the name of the log.
        """
        state: State = {}
        for key, result in trainer.fit_loop.epoch_loop._results.items():
            if not result.meta.on_epoch or result.has_reset:
                continue
            meta = result.meta
            state[key] = {
                "values": {name: _copy(getattr(result, name)) for name in result._defaults},
                "meta": {
                    name: getattr(meta, name)
                    for name in (
                        "fx", "name", "prog_bar", "logger", "on_step", "on_epoch", "enable_graph", "add_dataloader_idx",
                        "dataloader_idx", "metric_attribute",
                    )
                },
                "reduce": meta.reduce_fx.__name__,
                "sync": meta.sync.should,
                "rank_zero_only": meta.sync.rank_zero_only,
            }  # fmt: skip
        return state

    def add(self, trainer: Trainer) -> None:
        """Add what was gathered to what has been logged since, once.

        Args:
            trainer: after a batch, whose logs are the first since the values were read.
        """
        results = trainer.fit_loop.epoch_loop._results
        for key in [key for key in self._left if key in results and not results[key].has_reset]:
            before = self._left.pop(key)["values"]
            if results[key].is_tensor:
                self._add(results[key], before)

    def add_rest(self, trainer: Trainer) -> None:
        """Log what was gathered, and not logged again, at the end of its epoch.

        Args:
            trainer: at that end.
        """
        self.add(trainer)
        metrics = dict(_metrics(trainer.lightning_module))
        for key, state in self._left.items():
            meta = _Metadata(**state["meta"], reduce_fx=state["reduce"])
            meta.sync = _Sync(_should=state["sync"], fn=trainer.strategy.reduce, rank_zero_only=state["rank_zero_only"])
            metric = metrics.get(str(meta.metric_attribute))  # None for values that were logged as tensors
            result = _ResultMetric(meta, is_tensor=metric is None).to(trainer.strategy.root_device)
            for name, value in ({"value": metric} if metric is not None else state["values"]).items():
                setattr(result, name, value.to(trainer.strategy.root_device))
            result._update_count = 1
            trainer.fit_loop.epoch_loop._results[key] = result
        self._left = {}

    @staticmethod
    def _add(result: Any, before: State) -> None:
        gathered = {name: value.to(result.value.device) for name, value in before.items()}
        if result.meta.is_max_reduction or result.meta.is_min_reduction:
            result.value = result.meta.reduce_fx(gathered["value"], result.value)
            return
        for name, value in gathered.items():
            setattr(result, name, value + getattr(result, name))


def _metrics(module: LightningModule) -> Iterator[tuple[str, Metric]]:
    return ((name, metric) for name, metric in module.named_modules() if isinstance(metric, Metric))


def _copy(value: Any, device: torch.device | str = "cpu") -> Any:
    if isinstance(value, Tensor):
        return value.detach().to(device, copy=True)
    return [_copy(item, device) for item in value] if isinstance(value, (list, tuple)) else value
