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
_META = (
    "fx", "name", "prog_bar", "logger", "on_step", "on_epoch", "enable_graph", "add_dataloader_idx", "dataloader_idx",
    "metric_attribute",
)  # fmt: skip


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


def logged_values(trainer: Trainer) -> State:
    """Copy what ``self.log`` has gathered in the epoch, and the last value of each step.

    Args:
        trainer: that fits.

    Returns:
        Plain values and tensors by the name of the log; those over a group of processes are left out.
    """
    state: State = {}
    for key, result in trainer.fit_loop.epoch_loop._results.items():
        meta = result.meta
        if result.has_reset or meta.sync.group is not None:
            continue
        state[key] = {
            "values": {name: _copy(getattr(result, name)) for name in result._defaults},
            "last": _copy(result._forward_cache),
            "is_tensor": result.is_tensor,
            "meta": {name: getattr(meta, name) for name in _META},
            "reduce": meta.reduce_fx.__name__,
            "sync": meta.sync.should,
            "rank_zero_only": meta.sync.rank_zero_only,
        }
    return state


def set_logged_values(trainer: Trainer, state: State) -> None:
    """Put logged values back, before the first of the resumed run is added to them.

    Args:
        trainer: before its first step, or at the end of an epoch that has no further one.
        state: of `logged_values`.
    """
    results, connector = trainer.fit_loop.epoch_loop._results, trainer._logger_connector
    if state and connector._first_loop_iter:
        connector._first_loop_iter = False  # else the first log of each hook begins anew
    metrics, device = dict(_metrics(trainer.lightning_module)), trainer.strategy.root_device
    for key, kept in state.items():
        meta = _Metadata(**kept["meta"], reduce_fx=kept["reduce"])
        meta.sync = _Sync(_should=kept["sync"], fn=trainer.strategy.reduce, rank_zero_only=kept["rank_zero_only"])
        result = _ResultMetric(meta, is_tensor=kept["is_tensor"])
        values = kept["values"]
        if not kept["is_tensor"]:
            metric = metrics.get(str(meta.metric_attribute))
            if metric is None:
                continue
            values = {"value": metric}
        for name, value in values.items():
            setattr(result, name, value.to(device))
        result._forward_cache = _copy(kept["last"], device)
        result._update_count = 1
        if key in results and not results[key].has_reset:  # logged by a hook before
            _add(result, results[key])
        results[key] = result


def _add(result: Any, logged: Any) -> None:
    result._forward_cache = logged._forward_cache
    if result.meta.is_max_reduction or result.meta.is_min_reduction:
        result.value = result.meta.reduce_fx(result.value, logged.value)
    elif result.is_tensor:
        for name in result._defaults:
            setattr(result, name, getattr(result, name) + getattr(logged, name))


def _metrics(module: LightningModule) -> Iterator[tuple[str, Metric]]:
    return ((name, metric) for name, metric in module.named_modules() if isinstance(metric, Metric))


def _copy(value: Any, device: torch.device | str = "cpu") -> Any:
    if isinstance(value, Tensor):
        return value.detach().to(device, copy=True)
    return [_copy(item, device) for item in value] if isinstance(value, (list, tuple)) else value
