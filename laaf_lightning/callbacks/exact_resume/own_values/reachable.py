"""What loaders, samplers, data sets and modules keep that a fit changes: generators, and plain values."""

from __future__ import annotations

import functools
import random
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics import Metric

GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
_NUMBERS = (bool, int, float, str, type(None))
_CLOSED = (*_NUMBERS, bytes, Tensor, np.ndarray, np.generic, nn.Parameter, type, types.ModuleType, Trainer, Metric)
_MOST = 10_000
_LONGEST = 64
_DEEPEST = 8
_OF_THE_TRAINER = (
    "_trainer",
    "_fabric",
    "_iterator",
    "trainer",
    "_hparams",
    "_hparams_initial",
    "_parameters",
    "_buffers",
)


def reachable(roots: Mapping[str, object]) -> dict[str, Any]:
    """Walk through the attributes, items and closures of objects.

    Args:
        roots: by name.

    Returns:
        Generators and all objects with attributes, each once, by a path that the same objects give again; none of
        long lists, which hold data.
    """
    found: dict[str, Any] = {}
    seen: set[int] = set()
    waiting = [(name, value, 0) for name, value in roots.items()]
    for path, value, depth in waiting:  # it grows meanwhile
        if id(value) in seen or isinstance(value, _CLOSED):
            continue
        seen.add(id(value))
        if isinstance(value, GENERATORS):
            found[path] = value
            continue
        if hasattr(value, "__dict__") and not isinstance(value, types.FunctionType):
            found[path] = value
        if depth < _DEEPEST and len(found) < _MOST:
            waiting += [(f"{path}.{name}", inner, depth + 1) for name, inner in _inner(value)]
    return found


def _inner(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        if len(value) <= _LONGEST:
            yield from ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, (list, tuple)):
        if len(value) <= _LONGEST:
            yield from ((str(place), inner) for place, inner in enumerate(value))
    elif isinstance(value, functools.partial):
        yield from (("func", value.func), ("args", value.args), ("keywords", value.keywords))
    elif isinstance(value, types.MethodType):
        yield "self", value.__self__
    elif isinstance(value, types.FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        yield from ((name, _content(cell)) for name, cell in cells)
        yield "defaults", value.__defaults__
    attributes = getattr(value, "__dict__", {})
    if isinstance(attributes, dict):
        yield from ((name, inner) for name, inner in attributes.items() if name not in _OF_THE_TRAINER)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not set yet
        return None


class ChangedNumbers:
    """Numbers, strings and None that samplers and data sets keep as attributes, as a sampler that counts its epochs.

    Args:
        owners: of `reachable`; loaders are left out, whose settings are the user's.
    """

    def __init__(self, owners: Mapping[str, Any]) -> None:
        others = (DataLoader, nn.Module, *GENERATORS)
        self._owners = {path: owner for path, owner in owners.items() if not isinstance(owner, others)}
        self._before = {path: self._numbers(owner) for path, owner in self._owners.items()}

    def state(self) -> dict[str, dict[str, Any]]:
        """Find what is not as it was at the start.

        Returns:
            Values by path and name; settings that nothing has changed are another run's to choose.
        """
        state = {}
        for path, owner in self._owners.items():
            now = self._numbers(owner)
            if now != (before := self._before[path]):
                state[path] = {
                    name: value for name, value in now.items() if name not in before or before[name] != value
                }
        return state

    def set(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Put values back, those of the start among them.

        Args:
            state: of `state`.
        """
        for path, owner in self._owners.items():
            vars(owner).update({**self._before[path], **state.get(path, {})})

    @staticmethod
    def _numbers(owner: object) -> dict[str, Any]:
        return {name: value for name, value in vars(owner).items() if type(value) in _NUMBERS}
