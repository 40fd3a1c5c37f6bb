"""What is to become of every activation of a model: replaced, intercepted where it is called, or left out and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from laaf_lightning.activations.adapted.intercepted import CALLS, AdaptiveCalls
from laaf_lightning.activations.adapting.planned import Planned, Spot, spots
from laaf_lightning.activations.adapting.sites import ActivationSite
from laaf_lightning.activations.elementwise import MODULES
from laaf_lightning.activations.recording.behaviour import is_activation
from laaf_lightning.activations.recording.frames import Place
from laaf_lightning.activations.recording.functions import plain
from laaf_lightning.activations.recording.recorded import RecordedCall, Recording, Running

_UNSEEN = (
    "called in a way that adapt does not see, as by TorchScript, with out=… or by torch.ops: adapt the model before it "
    "is scripted, or call the function of torch.nn.functional"
)
_INTERCEPTED = "left out when its forward was adapted: adapt the plain model once, with all of them"
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def plan_without_calls(model: nn.Module) -> list[Planned]:
    """Plan for the activation modules of a model that is not run.

    Args:
        model: any module.

    Returns:
        One for each place of a module.
    """
    activations = {module: places for module, places in spots(model).items() if is_activation(module)}
    return [
        Planned(ActivationSite(spot.name, type(module).__name__), module, spot)
        for module, places in activations.items()
        for spot in places
        if spot.parent not in activations  # whose own slope it has
    ]


def plan(model: nn.Module, recordings: Sequence[Recording], shared: Any = None) -> list[Planned]:
    """Plan for all activations that were called, and for the activation modules that were not.

    Args:
        model: that was recorded.
        recordings: in training mode first.
        shared: whether the calls of a kind at one place in the code, those of a loop, share a slope.

    Returns:
        In order of the calls.
    """
    hanging = spots(model)
    names = {module: name for name, module in reversed([*model.named_modules(remove_duplicate=False)])}
    planned: list[Planned] = []
    replaced: dict[nn.Module, list[Planned]] = {}
    for module in _called_modules(recordings):
        replaced[module] = _replacements(module, recordings, hanging)
        planned += replaced[module]
    for module in _called_modules(recordings):
        if not replaced[module] and not _is_one_function(module, recordings):
            planned.append(_composite(module, recordings, names))
    planned += _function_calls(recordings, names, {module for module, sites in replaced.items() if sites}, shared)
    planned.sort(key=lambda one: _first(one, recordings))
    called = {module for recording in recordings for module in recording.called}
    planned += [
        Planned(
            ActivationSite(places[0].name, type(module).__name__, 0, left_out="not called on example_input"), module
        )
        for module, places in hanging.items()
        if module not in called and is_activation(module) and not isinstance(module, torch.jit.ScriptModule)
    ]
    planned += _unseen(recordings, names)
    planned += _left_plain(model, names)
    planned += [
        Planned(
            ActivationSite(names[module], type(module).__name__, left_out="its activations are inside torch's kernel")
        )
        for module in called
        if isinstance(module, (nn.RNNBase, nn.RNNCellBase)) and module in names
    ]
    return planned


def _unseen(recordings: Sequence[Recording], names: dict[nn.Module, str]) -> list[Planned]:
    """List the activations that torch computed and no call stands for, but within a forward that is intercepted."""
    counts = recordings[0].unseen | recordings[-1].unseen
    planned = []
    for (module, kind), calls in counts.items():
        if CALLS not in module._modules:
            name = f"{names.get(module, type(module).__name__)}.{kind}".lstrip(".")
            planned.append(Planned(ActivationSite(name, kind, calls, left_out=_UNSEEN)))
    return planned


def _left_plain(model: nn.Module, names: dict[nn.Module, str]) -> list[Planned]:
    """List the calls to which an earlier adaptation gave no slope: their forward is intercepted already."""
    holders = [(owner, getattr(owner, CALLS, None)) for owner in model.modules()]
    kinds = [(owner, kind) for owner, held in holders if isinstance(held, AdaptiveCalls) for kind in held.plain_kinds]
    return [
        Planned(ActivationSite(f"{names[owner]}.{kind}".lstrip("."), kind, left_out=_INTERCEPTED))
        for owner, kind in dict.fromkeys(kinds)
    ]


def _called_modules(recordings: Iterable[Recording]) -> list[nn.Module]:
    calls = (call for recording in recordings for call in recording.calls)
    return [*dict.fromkeys(call.module for call in calls if call.module is not None and not call.is_function)]


def _is_one_function(module: nn.Module, recordings: Iterable[Recording]) -> bool:
    """Tell whether all that an activation module does is to call one function of torch."""
    calls = [call for recording in recordings for call in recording.calls if call.module is module]
    return isinstance(module, MODULES) or all(call.alone for call in calls)


def _of(module: nn.Module, recording: Recording) -> dict[Running, list[RecordedCall]]:
    """Sort the calls of an activation module by the call of the module that makes them."""
    calls: dict[Running, list[RecordedCall]] = defaultdict(list)
    for call in recording.calls:
        if call.module is module and not call.is_function:
            calls[call.owner].append(call)
    return calls


def _replacements(
    module: nn.Module, recordings: Sequence[Recording], hanging: dict[nn.Module, list[Spot]]
) -> list[Planned]:
    """Plan to replace an activation module wherever it hangs and is called once, or nothing."""
    sorted_calls = [_of(module, recording) for recording in recordings]
    owners = [*dict.fromkeys(running.module for calls in sorted_calls for running in calls)]
    chosen: dict[tuple[nn.Module, int], Spot] = {}
    for owner in owners:
        most = max(len(calls) for found in sorted_calls for running, calls in found.items() if running.module is owner)
        places = [spot for spot in hanging.get(module, []) if spot.parent is owner]
        if not places and len(owners) == 1:
            places = hanging.get(module, [])[:1]
        in_turn = type(owner).forward is nn.Sequential.forward and len(places) == most
        if not places or not (most == 1 or in_turn):
            return []
        for k in range(most):
            chosen[owner, k] = places[k]
    planned = []
    for (owner, k), spot in chosen.items():
        at = [c[k] for found in sorted_calls for r, c in found.items() if r.module is owner and k < len(c)]
        times = max(sum(r.module is owner and k < len(c) for r, c in found.items()) for found in sorted_calls)
        site = ActivationSite(spot.name, type(module).__name__, times)
        planned.append(_described(Planned(site, module, spot, owner, calls=at)))
    return planned


def _composite(module: nn.Module, recordings: Sequence[Recording], names: dict[nn.Module, str]) -> Planned:
    calls = [
        call for recording in recordings for call in recording.calls if call.module is module and not call.is_function
    ]
    times = max(sum(map(len, _of(module, recording).values())) for recording in recordings)
    owner = names.get(calls[0].owner.module, type(calls[0].owner.module).__name__)
    name = names.get(module, f"{owner}.{type(module).__name__}".lstrip("."))
    reason = (
        f"called {times} times in a forward, and made of several functions: give each call a module of its own"
        if module in names
        else "held outside the module tree, and made of several functions: make it an attribute"
    )
    return Planned(ActivationSite(name, type(module).__name__, times, left_out=reason), module, calls=calls)


def _function_calls(
    recordings: Sequence[Recording], names: dict[nn.Module, str], replaced: set[nn.Module], shared: Any
) -> list[Planned]:
    """Plan for the calls that a forward makes itself, or through a module that is not replaced."""
    found: dict[tuple[nn.Module, tuple[Place, int]], Planned] = {}
    counts: dict[tuple[nn.Module, str], int] = defaultdict(int)
    times: dict[tuple[int, Planned], int] = defaultdict(int)
    for number, recording in enumerate(recordings):
        before: dict[tuple[Running, Place], int] = defaultdict(int)
        for call in recording.calls:
            if not call.is_function or call.module in replaced:
                continue
            if call.module is not None and not _is_one_function(call.module, recordings):
                continue
            if call.kind == "sin" and call.layout is None:
                continue  # of positions, not of what a layer made
            occurrence = 0 if shared else before[call.owner, call.place]
            before[call.owner, call.place] += 1
            owner = call.owner.module
            key = (call.place, occurrence)
            if (owner, key) not in found:
                counts[owner, call.kind] += 1
                path = f"{names.get(owner, type(owner).__name__)}.{CALLS}.{call.kind}_{counts[owner, call.kind]}"
                site = ActivationSite(path.lstrip("."), call.kind)
                found[owner, key] = Planned(site, None, None, owner, key)
                if owner not in names:
                    found[owner, key].leave_out("the module that calls it stands outside the module tree")
            one = found[owner, key]
            one.calls.append(call)
            times[number, one] += 1
    for one in found.values():
        most = max(count for (_, planned), count in times.items() if planned is one)
        one.site = replace(one.site, calls=most)
        _described(one)
    return [*found.values()]


def _described(one: Planned) -> Planned:
    """Fill in what the calls of a site tell of it."""
    shapes = {call.shape[1:] for call in one.calls}
    layouts = {call.layout for call in one.calls}
    flat = all(len(call.shape) == 2 for call in one.calls)
    layout = layouts.pop() if len(layouts) == 1 else None
    one.dense = flat or (layout is not None and layout.dense)
    one.site = replace(
        one.site,
        sample_shape=shapes.pop() if len(shapes) == 1 else None,
        feature_dim=1 if flat else None if layout is None else layout.dim,
    )
    if one.spot is None:
        if len({(call.kind, tuple(sorted(plain(call.settings).items()))) for call in one.calls}) > 1:
            one.leave_out("another function in another forward")
        if any(call.kind == "rrelu" for call in one.calls):
            one.leave_out("is random")
        if any(call.checkpointed for call in one.calls):
            one.leave_out("called again in the backward pass by torch.utils.checkpoint: checkpoint whole modules")
        if any(call.own_gradient for call in one.calls):
            one.leave_out("within a torch.autograd.Function, whose gradient knows no slope: make that a module")
    if any(call.nested for call in one.calls):
        one.leave_out("of a nested or quantised tensor")
    return one


def _first(one: Planned, recordings: Sequence[Recording]) -> int:
    order = {call: k for k, call in enumerate(call for recording in recordings for call in recording.calls)}
    return min((order[call] for call in one.calls), default=len(order))
