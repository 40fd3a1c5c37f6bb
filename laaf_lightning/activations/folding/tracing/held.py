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
from laaf_lightning.activations.folding.tracing.tensors import memory_of
from laaf_lightning.activations.recording.example import Example
from laaf_lightning.activations.recording.recorder import as_it_was


class _Forgetting(TorchDispatchMode):
    """Notes what each operation makes, and keeps none of it alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made: list[tuple[Any, list[weakref.ref[Tensor]]]] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        result = function(*arguments, **(named or {}))
        self.made.append((function, [weakref.ref(leaf) for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]))
        return result


def note_held(tape: Tape, model: nn.Module, example: Example) -> None:
    """Run a model again and note in a tape which values somebody still holds afterwards.

    A tape holds all values itself, so it takes a second pass of the same operations; one of others tells nothing.

    Args:
        tape: of a first pass.
        model: that was recorded.
        example: what it was called with.
    """
    with as_it_was(model), torch.no_grad(), _Forgetting() as second:
        model.train(tape.training)
        model(*example.positional, **example.named)
    own = {id(tensor) for tensor in chain(model.parameters(), model.buffers())}
    if [function for function, _ in second.made] != [event.function for event in tape.events]:
        return
    if any((tensor := made()) is not None and id(tensor) not in own for _, each in second.made for made in each):
        tensor = None
        gc.collect()  # what only a circle of references holds
    for event, (_, each) in zip(tape.events, second.made, strict=True):
        tape.held |= {memory_of(output) for output, made in zip(event.outputs, each, strict=True) if made() is not None}
