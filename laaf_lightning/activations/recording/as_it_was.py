"""A model that is run to be looked at, and is afterwards what it was before."""

from __future__ import annotations

import contextlib
import random
import warnings
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from laaf_lightning.activations.recording.tensors import memory_of, tensors_in

_IN_PLACE = ("__setitem__", "__set__", "__iadd__", "__isub__", "__imul__", "__idiv__", "__itruediv__", "__ipow__")


@contextlib.contextmanager
def as_it_was(model: nn.Module) -> Iterator[None]:
    """Put modes, parameters, buffers, attributes, random states and settings back.

    Args:
        model: that is to be run.

    Yields:
        Nothing.
    """
    attributes = [_Attributes(module) for module in model.modules()]
    tensors = [*model.parameters(), *model.buffers()]
    devices = {tensor.device.index for tensor in tensors if tensor.device.type == "cuda"}
    # Its fast path computes whole layers of a transformer in one call.
    fast, set_fast = torch.backends.mha.get_fastpath_enabled(), torch.backends.mha.set_fastpath_enabled
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  (what models draw from)
    parameters = _Parameters([*model.parameters()])
    with torch.random.fork_rng(devices=sorted(devices)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        set_fast(False)
        try:
            with parameters:
                yield
        finally:
            set_fast(fast)
            random.setstate(of_python)
            np.random.set_state(of_numpy)  # noqa: NPY002
            for one in attributes:
                one.put_back()
            parameters.put_back()


class _Attributes:
    """What one module holds beside parameters: settings, buffers, caches, counters."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._values = dict(vars(module))
        self._contents = [(value, _copy(value)) for value in self._values.values() if _copy(value) is not None]
        tensors = [*module.buffers(recurse=False), *(v for v in self._values.values() if isinstance(v, Tensor))]
        self._tensors = [(tensor, tensor.detach().clone()) for tensor in tensors]

    def put_back(self) -> None:
        current = vars(self._module)
        for name in [name for name in current if name not in self._values]:
            del current[name]
        current.update(self._values)
        for container, before in self._contents:
            _refill(container, before)
        with torch.no_grad():
            for tensor, value in self._tensors:
                if tensor.shape != value.shape:
                    tensor.resize_(value.shape)
                tensor.detach().copy_(value)


def _copy(value: Any) -> Any:
    """Copy what a forward may fill; None for anything else."""
    if type(value).__name__ in {"dict", "OrderedDict", "list", "set", "deque"}:
        return value.copy()
    return value.get_state() if isinstance(value, torch.Generator) else None


def _refill(container: Any, before: Any) -> None:
    if isinstance(container, torch.Generator):
        container.set_state(before)
    elif container != before if isinstance(container, set) else not _same_items(container, before):
        container.clear()
        (container.extend if isinstance(container, (list, deque)) else container.update)(before)


def _same_items(one: Any, other: Any) -> bool:
    """Tell whether two containers hold the same objects; tensors among them are not compared."""
    if isinstance(one, dict):
        return [*one] == [*other] and all(one[key] is other[key] for key in one)
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


class _Parameters(TorchFunctionMode):
    """Keeps a copy of each parameter that is about to be written over, which a forward seldom does."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self._parameters: dict[int, list[nn.Parameter]] = defaultdict(list)
        for parameter in parameters:
            self._parameters[memory_of(parameter)].append(parameter)
        self._before: dict[nn.Parameter, Tensor] = {}

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        for tensor in written_over(function, arguments, named or {}):
            self._keep(tensor)
        return function(*arguments, **(named or {}))

    def _keep(self, tensor: Tensor) -> None:
        for parameter in self._parameters.get(memory_of(tensor), []):
            if parameter not in self._before:
                self._before[parameter] = parameter.detach().clone()

    def put_back(self) -> None:
        for parameter, value in self._before.items():
            parameter.data.copy_(value)


def written_over(function: Any, arguments: Sequence[Any], named: Mapping[str, Any]) -> Iterator[Tensor]:
    """Tell what a torch function writes over.

    Args:
        function: as a ``TorchFunctionMode`` gets it.
        arguments: its positional arguments.
        named: its keyword arguments.

    Yields:
        Tensors: the first argument of what works in place, and ``out``.
    """
    name = getattr(function, "__name__", "")
    if name in _IN_PLACE or (name.endswith("_") and not name.endswith("__")) or named.get("inplace") is True:
        yield from tensors_in([*arguments[:1], named.get("input")])
    yield from tensors_in(named.get("out"))
