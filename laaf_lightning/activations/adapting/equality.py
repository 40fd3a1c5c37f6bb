"""Whether an adapted model computes what the model computed: bit for bit, since n·a is 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.activations.adapting.planned import Planned
from laaf_lightning.activations.adapting.survey import Survey
from laaf_lightning.activations.recording.example import Example
from laaf_lightning.activations.recording.recorded import RecordedCall
from laaf_lightning.activations.recording.recorder import record
from laaf_lightning.errors import ConfigurationError


def check_copies(model: nn.Module, example: Example, found: Survey, chosen: Sequence[Planned]) -> None:
    """Refuse in-place activations whose effect on their argument the forward relies on; the model is left as it is.

    Args:
        model: that was surveyed.
        example: what it is called with.
        found: in it.
        chosen: the activations that get a slope, which then leave their argument as it is.

    Raises:
        ConfigurationError: that names them.
    """
    overwriting = [one for one in chosen if any(call.in_place for call in one.calls) or _is_foreign(one)]
    if not overwriting or _same(model, example, found, overwriting):
        return
    guilty = [one.site.name for one in overwriting if not _same(model, example, found, [one])]
    names = ", ".join(guilty or [one.site.name for one in overwriting])
    raise ConfigurationError(
        f"adapt: the forward relies on {names} overwriting the argument in place, which one with a slope does "
        "not: take its result instead, or leave it out with where=…"
    )


def check_equal(adapted: nn.Module, example: Example, found: Survey) -> None:
    """Refuse an adapted model that does not compute what was recorded.

    Args:
        adapted: at n·a = 1.
        example: what it is called with.
        found: before it was adapted.

    Raises:
        ConfigurationError: if an element of the output differs.
    """
    for training, recording in found.recordings.items():
        if training and recording is found.recordings[False]:
            continue
        output = record(adapted, example, training=training).output
        if not equal(output, recording.output, exact=not any(call.strided for call in recording.calls)):
            mode = "training" if training else "evaluation"
            if equal(record(adapted, example, training=training).output, output):  # else it is never twice the same
                raise ConfigurationError(
                    f"adapt: the adapted {type(adapted).__name__} computes something else in {mode} mode on "
                    "example_input, though n·a is 1: an activation is used in a way that adapt does not see; leave "
                    "some out with where=…"
                )


def _is_foreign(one: Planned) -> bool:
    """Tell whether it may work in place without saying so."""
    return one.module is not None and not type(one.module).__module__.startswith("torch.nn.")


def _same(model: nn.Module, example: Example, found: Survey, copied: Sequence[Planned]) -> bool:
    modules = {one.module for one in copied if one.spot is not None}
    keys = {(one.owner, one.key) for one in copied if one.spot is None}
    before: dict[Any, int] = {}

    def copies(call: RecordedCall) -> bool:
        if not call.is_function:
            return call.module in modules
        place = (call.owner, call.place)
        occurrence = before.get(place, 0)
        before[place] = occurrence + 1
        return (call.owner.module, (call.place, 0 if found.share_loops else occurrence)) in keys

    for training, recording in found.recordings.items():
        if training and recording is found.recordings[False]:
            continue
        before.clear()
        exact = not any(call.strided for call in recording.calls)
        if not equal(record(model, example, training=training, copies=copies).output, recording.output, exact=exact):
            # A model that is never twice the same tells nothing.
            return not equal(record(model, example, training=training).output, recording.output)
    return True


def equal(one: Sequence[Tensor], other: Sequence[Tensor], *, exact: bool = True) -> bool:
    """Compare two outputs.

    Args:
        one: tensors.
        other: likewise.
        exact: whether bit for bit, else to 1000 times the rounding of the largest value.

    Returns:
        Whether all tensors are equal, NaN to NaN.
    """
    return len(one) == len(other) and all(
        a.shape == b.shape and a.dtype == b.dtype and (a.is_meta or _same_values(_plain(a), _plain(b), exact))
        for a, b in zip(one, other, strict=True)
    )


def _same_values(one: Tensor, other: Tensor, exact: bool) -> bool:
    if torch.equal(one, other) or exact or not one.is_floating_point() or not one.numel():
        return torch.equal(one, other)
    largest = one.abs().nan_to_num().max().item()
    return torch.allclose(one, other, rtol=0, atol=1000 * torch.finfo(one.dtype).eps * largest)


def _plain(tensor: Tensor) -> Tensor:
    if tensor.is_nested:
        tensor = tensor.to_padded_tensor(0.0)
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return tensor.nan_to_num(nan=1e30) if tensor.is_floating_point() else tensor
