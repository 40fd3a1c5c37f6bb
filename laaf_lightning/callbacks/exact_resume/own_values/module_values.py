"""What a module and its Trainer change in a fit, and no checkpoint of Lightning holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor, nn
from torchmetrics import Metric

_NUMBERS = (bool, int, float, str, type(None))
_MOST = 10_000
State = dict[str, Any]


class _NotPlainError(Exception):
    pass


class ModuleValues:
    """Public attributes that hold numbers, strings, tensors, or lists, tuples, sets and dicts of them.

    Such are a list of losses that a module gathers over the epoch, or a weight that it makes smaller. What a fit has
    not changed is a setting, and a resumed run's own. Kept too is which parameters are trained, as callbacks
    set it, and over how many batches gradients are added up, if that changes.

    Args:
        trainer: at the start of its training.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._before = {path: _look(value) for path, value in _values(trainer.lightning_module).items()}
        self._trained = _trained(trainer.lightning_module)
        self._accumulated = trainer.accumulate_grad_batches

    def state(self) -> State:
        """Read what is not as it was at the start.

        Returns:
            Plain values and tensors.
        """
        module = self._trainer.lightning_module
        values = {}
        for path, value in _values(module).items():
            if path not in self._before or self._before[path] != _look(value):
                try:
                    values[path] = _encoded(value)
                except _NotPlainError:
                    continue
        trained = {name: needs for name, needs in _trained(module).items() if self._trained.get(name) != needs}
        state: State = {"values": values, "trained": trained}
        if self._trainer.accumulate_grad_batches != self._accumulated:
            state["accumulate_grad_batches"] = self._trainer.accumulate_grad_batches
        return state

    def set(self, state: Mapping[str, Any]) -> None:
        """Put all back.

        Args:
            state: of `state`.
        """
        module = self._trainer.lightning_module
        modules = dict(module.named_modules())
        for path, kept in state["values"].items():
            owner, _, name = path.rpartition(".")
            if owner in modules:
                _give(modules[owner], name, _decoded(kept, module.device))
        parameters = dict(module.named_parameters())
        for name, needs in state["trained"].items():
            if name in parameters:
                parameters[name].requires_grad_(needs)
        self._trainer.accumulate_grad_batches = state.get("accumulate_grad_batches", self._accumulated)


def _values(module: LightningModule) -> dict[str, Any]:
    metrics = tuple(f"{name}." for name, inner in module.named_modules() if isinstance(inner, Metric))
    return {
        f"{path}.{name}": value
        for path, inner in module.named_modules()
        if not isinstance(inner, Metric) and not f"{path}.".startswith(metrics)
        for name, value in vars(inner).items()
        if not name.startswith("_") and name != "training" and not isinstance(value, (nn.Module, nn.Parameter))
    }


def _trained(module: nn.Module) -> dict[str, bool]:
    return {name: parameter.requires_grad for name, parameter in module.named_parameters()}


def _look(value: Any) -> Any:
    """Make what tells a changed value from one that is as it was; a tensor by its place and version."""
    left = _MOST

    def look(value: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise _NotPlainError
        if isinstance(value, Tensor):
            return id(value), 0 if value.is_inference() else value._version
        if isinstance(value, Mapping):
            return [(look(key), look(inner)) for key, inner in value.items()]
        if isinstance(value, (list, tuple, deque, set)):
            return [look(inner) for inner in value]
        return (type(value), value) if type(value) in _NUMBERS else id(value)

    try:
        return look(value)
    except _NotPlainError:
        return id(value)


def _encoded(value: Any) -> Any:
    if isinstance(value, Tensor):
        if value.layout is not torch.strided:
            raise _NotPlainError
        return {"tensor": value.detach().cpu().clone(), "moves": value.device.type != "cpu"}
    if isinstance(value, Mapping):
        return {"dict": [[_encoded(key), _encoded(inner)] for key, inner in value.items()]}
    for kind in (list, tuple, deque, set):
        if isinstance(value, kind):
            return {kind.__name__: [_encoded(inner) for inner in value]}
    if type(value) not in _NUMBERS:
        raise _NotPlainError
    return value


def _decoded(kept: Any, device: torch.device) -> Any:
    if not isinstance(kept, Mapping):
        return kept
    if "tensor" in kept:
        return kept["tensor"].to(device, copy=True) if kept["moves"] else kept["tensor"].clone()
    if "dict" in kept:
        return {_decoded(key, device): _decoded(inner, device) for key, inner in kept["dict"]}
    (kind, values), *_ = kept.items()
    kinds = {"list": list, "tuple": tuple, "deque": deque, "set": set}
    return kinds[kind](_decoded(value, device) for value in values)


def _give(owner: Any, name: str, value: Any) -> None:
    """Set an attribute; one of a kind that can be filled stays what it is, as a `defaultdict` or a bounded `deque`."""
    present = getattr(owner, name, None)
    if isinstance(present, (dict, set)) and isinstance(value, (dict, set)):
        present.clear()
        present.update(value)
    elif isinstance(present, (list, deque)) and isinstance(value, (list, deque)):
        present.clear()
        present.extend(value)
    else:
        setattr(owner, name, value)
