"""Where a site's argument comes from: the affine layer before it, and what stands between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.folding.tracing.affine import channel_of_each, channels, tensors_of, why_not
from laaf_lightning.activations.folding.tracing.commuting import (
    described,
    follow,
    needs_positive,
    reads_shape_only,
    slope_of_each_channel,
    source,
)
from laaf_lightning.activations.folding.tracing.tape import Call, Event, Tape
from laaf_lightning.activations.recording.tensors import memory_of


class Stays(Exception):  # noqa: N818  # no error: the site keeps its factor
    """Why a slope cannot go into a layer."""


@dataclass(frozen=True, eq=False)
class Origin:
    """What a slope goes into.

    Attributes:
        layer: the affine layer.
        of_each: for each of its features the number of the slope that acts on it; −1 for none.
        positive: whether a slope passes a pooling only while it is positive.
    """

    layer: nn.Module
    of_each: Tensor
    positive: bool


def origin(tape: Tape, call: Call, slope: Tensor, names: Mapping[nn.Module, str]) -> Origin:
    """Trace the argument of a site back to the layer that its slope can go into.

    Args:
        tape: of a pass.
        call: of the site.
        slope: of the site.
        names: of the model's modules.

    Returns:
        The layer.

    Raises:
        Stays: with the reason, where there is none, or its output is read elsewhere too.
    """
    if not isinstance(call.given, Tensor):
        raise Stays("is not called with one tensor")
    path: list[Event] = []  # from the layer to the site
    value = call.given
    while True:
        first, views = _back_to_memory(tape, value)
        _check_only_reader(tape, value, first, [*views, *path[:1]], call, names)
        path = [*views, *path]
        if first.within is not None:
            break
        before = source(first)
        if before is None:
            raise Stays(f"stands behind {described(first)}")
        path.insert(0, first)
        value = before
    _check_layer(tape, first.within, names)
    slopes = _slopes(first.within, path, slope, call.given.shape)
    return Origin(first.within.module, slopes, any(map(needs_positive, path)))


def _back_to_memory(tape: Tape, value: Tensor) -> tuple[Event, list[Event]]:
    """Find the operation that made a value's memory, and the views from there to the value."""
    memory = memory_of(value)
    events = tape.touching.get(memory, [])
    first = events[0] if events else None
    if first is None or any(memory_of(each) == memory for each in first.inputs):
        raise Stays("has no affine layer before it")
    made = first.within.made if first.within is not None else first.outputs[0]
    views: list[Event] = []
    while not _is_same(value, made):
        event = tape.makers.get(id(value))
        before = None if event is None else source(event)
        if event is None or before is None or memory_of(before) != memory or event.within is not None:
            raise Stays(f"stands behind {'another module' if event is None else described(event)}")
        views.append(event)
        value = before
    return first, [*reversed(views)]


def _is_same(one: Tensor, other: object) -> bool:
    return one is other or bool(
        isinstance(other, Tensor)
        and memory_of(one) == memory_of(other)
        and one.shape == other.shape
        and one.stride() == other.stride()
        and one.storage_offset() == other.storage_offset()
    )


def _check_only_reader(
    tape: Tape, value: Tensor, first: Event, steps: list[Event], site: Call, names: Mapping[nn.Module, str]
) -> None:
    """Refuse a value that anything reads beside the next step to the site, or that is overwritten."""
    memory = memory_of(value)
    for event in tape.touching[memory]:
        makes_it = event is first or (first.within is not None and event.within is first.within)
        if makes_it or event in steps or event.within is site or reads_shape_only(event) or _only_views(event):
            continue
        if event.within is not None:
            raise Stays(f"a value before it is read by {names.get(event.within.module, 'another module')} too")
        if event.overwrites:
            raise Stays(f"stands behind {described(event)}")
        raise Stays(f"a value before it is read twice, by {described(event)} too")
    if memory in tape.kept:
        raise Stays(f"a value before it {tape.kept[memory]}")
    if memory in tape.hooked:
        raise Stays(f"a hook of {tape.hooked[memory]} sees a value before it")
    if memory in tape.held:
        raise Stays("a value before it is held outside the model after a forward")


def _only_views(event: Event) -> bool:
    """Tell whether an operation only gives memory another shape; what reads that is an operation of its own."""
    memories = {memory_of(tensor) for tensor in (*event.inputs, *event.outputs)}
    return event.within is None and len(memories) == 1 and bool(event.outputs) and not event.overwrites


def _check_layer(tape: Tape, call: Call, names: Mapping[nn.Module, str]) -> None:
    layer = call.module
    name = names.get(layer)
    if name is None:
        raise Stays(f"the {type(layer).__name__} before it stands outside the module tree")
    if isinstance(layer, AdaptiveActivation):
        raise Stays(f"stands behind {name}, an activation")
    if reason := why_not(layer):
        raise Stays(f"{name} before it {reason}")
    if len(tape.calls_of(layer)) > 1:
        raise Stays(f"{name} before it is called {len(tape.calls_of(layer))} times in a forward")
    for tensor in tensors_of(layer).values():
        if any(event.within is not call for event in tape.touching.get(memory_of(tensor), [])):
            raise Stays(f"the weights of {name} before it are read elsewhere too")


def _slopes(call: Call, path: list[Event], slope: Tensor, shape: torch.Size) -> Tensor:
    """Find which slope acts on each feature of a layer."""
    count = channels(call.module)
    if slope.numel() == 1:
        return torch.zeros(count, dtype=torch.long)
    numbers: Tensor | None = channel_of_each(call.module, call.made.shape)
    for event in path:
        numbers = None if numbers is None else follow(event, numbers)
    if numbers is None or numbers.shape != shape:
        raise Stays("its slopes cannot be followed to the features of the layer before it")
    of_each = slope_of_each_channel(slope, shape, numbers, count)
    if of_each is None:
        raise Stays("has several slopes for one feature of the layer before it, as one for each pixel")
    return of_each
