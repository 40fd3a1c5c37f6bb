"""What stands between a call and the forward that makes it, as Python's frames tell."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from laaf_lightning.activations.recording.functions import is_hidden_when_compiled

Place = tuple[tuple[CodeType, int], ...]


@dataclass
class Surroundings:
    """How a call comes about.

    Attributes:
        place: in the code of the forward and of what it calls, from inside to outside.
        traced: whether it stands in a graph that was traced or compiled.
        checkpointed: whether ``torch.utils.checkpoint`` makes it, and makes it again in the backward pass.
        own_gradient: whether a ``torch.autograd.Function`` makes it, which has a gradient of its own.
        hidden_when_compiled: whether ``torch.compile`` does not show it.
        forwards: the modules whose ``forward`` is called without their hooks.
    """

    place: Place = ()
    traced: bool = False
    checkpointed: bool = False
    own_gradient: bool = False
    hidden_when_compiled: bool = False
    forwards: list[nn.Module] = field(default_factory=list)


def surroundings(frame: FrameType | None, end: FrameType | None) -> Surroundings:
    """Look at the frames around a call.

    Args:
        frame: in which it is made.
        end: the frame that calls the forward.

    Returns:
        What they tell.
    """
    seen = Surroundings()
    place = []
    while frame is not None and frame is not end:
        code, home = frame.f_code, frame.f_globals.get("__name__")
        place.append((code, frame.f_lasti))
        seen.traced |= code.co_filename.startswith("<eval_with_key>")
        seen.checkpointed |= home == "torch.utils.checkpoint"
        if home == functional.__name__:
            seen.hidden_when_compiled |= is_hidden_when_compiled(getattr(functional, code.co_name, code))
        if code.co_name == "forward":
            first = frame.f_locals.get(code.co_varnames[0]) if code.co_varnames else None
            if isinstance(first, nn.Module):
                seen.forwards.append(first)
            else:
                seen.own_gradient |= any(_code(kind) is code for kind in _subclasses(torch.autograd.Function))
        frame = frame.f_back
    seen.place = (*place,)
    return seen


def _code(function: Any) -> CodeType | None:
    return getattr(inspect.unwrap(function.forward), "__code__", None)


def _subclasses(kind: Any) -> Iterator[Any]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)
