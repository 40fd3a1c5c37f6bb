"""Values of a pass that somebody outside the model goes on holding, as a list of a forward's own module does."""

from __future__ import annotations

import gc
import weakref
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from laaf_lightning.activations.folding.tracing.tape import Tape
from laaf_lightning.activations.recording.as_it_was import as_it_was
from laaf_lightning.activations.recording.example import Example
from laaf_lightning.activations.recording.tensors import memory_of

_DETACH = torch.ops.aten.detach.default


class _Forgetting(TorchDispatchMode):
    """Notes what each operation makes, and keeps none of it alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.functions: list[Any] = []
        self.made: list[list[list[weakref.ref[Tensor]]]] = []  # by operation and output, with those detached from it
        self._last_of: dict[int, list[weakref.ref[Tensor]]] = {}  # memory

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        result = function(*arguments, **(named or {}))
        leaves = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if function is _DETACH:
            self._last_of.get(memory_of(result), []).append(weakref.ref(result))
            return result
        self.functions.append(function)
        self.made.append([[weakref.ref(leaf)] for leaf in leaves])
        self._last_of |= {memory_of(leaf): each for leaf, each in zip(leaves, self.made[-1], strict=True)}
        return result


def note_held(tape: Tape, model: nn.Module, example: Example) -> None:
    """Run a model again and note in a tape which values somebody still holds afterwards.

    A tape holds all values itself, so it takes a second pass of the same operations; one of others tells nothing. What
    is detached counts as what it was detached from, as torch itself detaches new tensors that a tape holds.

    Args:
        tape: of a first pass.
        model: that was recorded.
        example: what it was called with.
    """
    with as_it_was(model), torch.no_grad(), _Forgetting() as second:
        model.train(tape.training)
        model(*example.positional, **example.named)
    events = [event for event in tape.events if event.function is not _DETACH]
    own = {id(tensor) for tensor in chain(model.parameters(), model.buffers())}
    if second.functions != [event.function for event in events]:
        return
    if any(
        (tensor := one()) is not None and id(tensor) not in own for each in second.made for ones in each for one in ones
    ):
        tensor = None
        gc.collect()  # what only a circle of references holds
    for event, each in zip(events, second.made, strict=True):
        for output, ones in zip(event.outputs, each, strict=True):
            if any(one() is not None for one in ones):
                tape.held.add(memory_of(output))
