"""Carry out what was planned: give modules and calls their slopes."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from torch import nn

from laaf_lightning.activations.adapted.fast_path import leave_fast_path
from laaf_lightning.activations.adapted.intercepted import AdaptiveCalls, Expected, hide_from_interceptions, intercept
from laaf_lightning.activations.adapted.methods import methods_among
from laaf_lightning.activations.adapted.replaced import give_slope, twin
from laaf_lightning.activations.adapting.planned import Planned
from laaf_lightning.activations.adapting.survey import Survey
from laaf_lightning.activations.adaptive import AdaptiveActivation, initial_slope
from laaf_lightning.activations.recording.functions import activation_of, plain
from laaf_lightning.activations.recording.recorded import RecordedCall, Recording, Running
from laaf_lightning.activations.scopes import Scope
from laaf_lightning.errors import ConfigurationError


@contextlib.contextmanager
def undone_on_error(model: nn.Module) -> Iterator[None]:
    """Give all modules of a model back their classes and attributes where the block fails.

    Args:
        model: to be changed.

    Yields:
        Nothing.
    """
    before = [(module, type(module), dict(vars(module))) for module in model.modules()]
    contents = [(held, held.copy()) for _, _, own in before for held in own.values() if isinstance(held, dict)]
    try:
        yield
    except BaseException:
        for module, kind, own in before:
            module.__class__ = kind
            vars(module).clear()
            vars(module).update(own)
        for held, content in contents:
            held.clear()
            held.update(content)
        raise


def carry_out(
    model: nn.Module,
    found: Survey,
    chosen: Sequence[Planned],
    shapes: Sequence[tuple[int, ...] | None],
    scope: Scope,
    n: float,
) -> None:
    """Change a model.

    Args:
        model: that was surveyed.
        found: in it.
        chosen: the activations that get a slope.
        shapes: of their slopes, None for a slope of one.
        scope: as for `AdaptiveActivation`.
        n: scaling factor.
    """
    like = next((p for p in model.parameters() if p.is_floating_point()), None)
    shared = initial_slope(n, like=like) if scope == "global" else None
    expected = {} if scope == "fixed" else expected_calls(found, chosen)
    modules = _modules(model, found, chosen)
    calls: dict[nn.Module, dict[str, AdaptiveActivation]] = defaultdict(dict)
    for one, shape in zip(chosen, shapes, strict=True):
        slope = None if scope == "fixed" else shared if shared is not None else initial_slope(n, shape or (), like)
        if one.spot is not None:
            setattr(one.spot.parent, one.spot.child, modules[one])
            give_slope(modules[one], scope, n, shape, slope, copies=one.overwritten)
            leave_fast_path(one.spot.parent)
        elif one.owner is not None:
            calls[one.owner][_child(one)] = _site(one, scope, n, shape, slope)
    for owner, sites in calls.items() if expected else []:
        name = next(name for name, module in model.named_modules() if module is owner)
        made = AdaptiveCalls(sites, *expected[owner], name, repeats=found.share_loops)
        made.methods = _methods(owner, chosen)
        intercept(owner, made)
    if calls:
        hide_from_interceptions(model)


def _modules(model: nn.Module, found: Survey, chosen: Sequence[Planned]) -> dict[Planned, nn.Module]:
    """Return the module that is to have each slope: one that hangs at several places, a twin for each but one."""
    spots = Counter(one.module for one in found.planned if one.spot is not None)
    adaptive = [module for module in model.modules() if isinstance(module, AdaptiveActivation)]
    spots.update(part for module in adaptive for part in module.children())
    taken: Counter[nn.Module | None] = Counter()
    modules: dict[Planned, nn.Module] = {}
    for one in chosen:
        if one.spot is None or one.module is None:
            continue
        taken[one.module] += 1
        # The last one may keep the module itself, unless another place keeps it plain.
        is_last = taken[one.module] == spots[one.module]
        modules[one] = one.module if is_last else twin(one.module)
    return modules


def _methods(owner: nn.Module, chosen: Sequence[Planned]) -> tuple[str, ...]:
    calls = (call for one in chosen if one.spot is None and one.owner is owner for call in one.calls)
    return methods_among(type(owner), (code for call in calls for code, _ in call.place))


def _child(one: Planned) -> str:
    return one.site.name.rpartition(".")[2]


def _site(
    one: Planned, scope: Scope, n: float, shape: tuple[int, ...] | None, slope: nn.Parameter | None
) -> AdaptiveActivation:
    """Make the slope of a call."""
    call = one.calls[0]
    activation = activation_of(call.kind, plain(call.settings))
    site = AdaptiveActivation("identity" if activation is None else activation, scope, n, shape, slope=slope)
    site._copies = one.overwritten
    return site


def expected_calls(found: Survey, chosen: Sequence[Planned]) -> dict[nn.Module, tuple[list[Expected], list[Expected]]]:
    """List, for each forward that is intercepted, the calls of activations that it makes.

    Args:
        found: in a model.
        chosen: the activations that get a slope.

    Returns:
        By the module whose forward it is: the calls in training and in evaluation mode.

    Raises:
        ConfigurationError: for a module whose forward makes other calls from one time to the next.
    """
    owners = {one.owner for one in chosen if one.spot is None and one.owner is not None}
    replaced = {one.module for one in chosen if one.spot is not None}
    names = {call: _child(one) for one in chosen if one.spot is None for call in one.calls}
    return {
        owner: (
            _expected(found.recordings[True], owner, owners, replaced, names, found.share_loops),
            _expected(found.recordings[False], owner, owners, replaced, names, found.share_loops),
        )
        for owner in owners
    }


def _expected(
    recording: Recording,
    owner: nn.Module,
    owners: set[nn.Module],
    replaced: set[nn.Module | None],
    names: dict[RecordedCall, str],
    share_loops: bool,
) -> list[Expected]:
    seen: dict[Running, list[Expected]] = {}
    for call in recording.calls:
        around = [running for running in call.owners if running.module in owners]
        inner = around[-1] if around else None
        if inner is None or inner.module is not owner:
            continue
        seen.setdefault(inner, [])
        if call.is_function and not call.traced and call.module not in replaced:
            name = names.get(call) if call.owner is inner else None
            seen[inner].append(Expected(call.kind, plain(call.settings), name, call.hidden_when_compiled))
    lists = [_period(expected) if share_loops else expected for expected in seen.values()]
    if any(expected != lists[0] for expected in lists):
        raise ConfigurationError(
            f"adapt: the forward of {type(owner).__name__} makes other calls of activations from one time to the next: "
            "make these activations modules, or leave them out with where=…"
        )
    return lists[0] if lists else []


def _period(expected: list[Expected]) -> list[Expected]:
    """Return the turn of a loop: the shortest beginning that the rest repeats."""
    for length in range(1, len(expected)):
        if len(expected) % length == 0 and expected == expected[:length] * (len(expected) // length):
            return expected[:length]
    return expected
