"""For each site of a model: the layer that its slope goes into, or why it stays."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.folding.tracing.affine import tensors_of
from laaf_lightning.activations.folding.tracing.origin import Origin, Stays, origin
from laaf_lightning.activations.folding.tracing.tape import Tape
from laaf_lightning.activations.recording.tensors import memory_of, tensors_in


@dataclass(frozen=True, eq=False)
class Decision:
    """What is to become of one site; by names, so that it holds for copies of the model too.

    Attributes:
        layer: name of the layer that takes the slope; None where it stays.
        of_each: for each of its features the number of the slope.
        kept: why it stays; None where it does not.
        around: names of the modules in whose forward it is called, as far as known.
    """

    layer: str | None = None
    of_each: Tensor | None = None
    kept: str | None = None
    around: frozenset[str] = frozenset()


def sites_of(model: nn.Module) -> dict[str, AdaptiveActivation]:
    """List the sites of a model that have a slope, each once.

    Args:
        model: any module.

    Returns:
        By name, in ``named_modules`` order.
    """
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, AdaptiveActivation) and module.a is not None
    }


def names_of(model: nn.Module) -> dict[nn.Module, str]:
    """Name the modules of a model.

    Args:
        model: any module.

    Returns:
        The first name of each.
    """
    return {module: name for name, module in model.named_modules()}


def decide(model: nn.Module, tapes: Sequence[Tape], only: Iterable[str] | None = None) -> dict[str, Decision]:
    """Decide by recorded passes.

    Args:
        model: that was recorded.
        tapes: the passes.
        only: names of sites; None for all.

    Returns:
        By name of the site.
    """
    names = names_of(model)
    sites = {name: site for name, site in sites_of(model).items() if only is None or name in {*only}}
    found = {name: _origin_or_reason(site, tapes, names) for name, site in sites.items()}
    takers = Counter(each.layer for each in found.values() if isinstance(each, Origin))
    decisions = {}
    for name, each in found.items():
        around = frozenset(
            names[module]
            for tape in tapes
            for call in tape.calls_of(sites[name])
            for module in call.around
            if module in names
        )
        if isinstance(each, Origin) and takers[each.layer] > 1:
            each = f"{names[each.layer]} before it stands before other activations too"  # noqa: PLW2901
        if isinstance(each, Origin):
            decisions[name] = Decision(names[each.layer], each.of_each, around=around)
        else:
            decisions[name] = Decision(kept=each, around=around)
    return decisions


def _origin_or_reason(site: AdaptiveActivation, tapes: Sequence[Tape], names: Mapping[nn.Module, str]) -> Origin | str:
    try:
        return _origin(site, tapes, names)
    except Stays as reason:
        return str(reason)


def _origin(site: AdaptiveActivation, tapes: Sequence[Tape], names: Mapping[nn.Module, str]) -> Origin:
    """Find what takes the slope in all passes alike."""
    slope = site.slope.detach()
    origins: list[Origin] = []
    for tape in tapes:
        calls = tape.calls_of(site)
        if len(calls) > 1:
            raise Stays(f"is called {len(calls)} times in a forward")
        origins += [origin(tape, call, slope, names) for call in calls]
    if not origins:
        raise Stays("is not called on the example")
    first, *others = origins
    if any(each.layer is not first.layer or not torch.equal(each.of_each, first.of_each) for each in others):
        raise Stays("stands behind another layer in training mode")
    for tape in tapes:
        if tape.calls_of(first.layer) and not tape.calls_of(site):
            mode = "training" if tape.training else "evaluation"
            raise Stays(f"{names[first.layer]} before it is called without it in {mode} mode")
    check_sign(slope, first.of_each, any(each.positive for each in origins))
    return first


def check_sign(slope: Tensor, of_each: Tensor, positive: bool) -> None:
    """Refuse to take a slope through a pooling whose largest value it would make the smallest.

    Args:
        slope: n·a.
        of_each: number of the slope for each feature.
        positive: whether there is such a pooling.

    Raises:
        Stays: if a slope is not positive.
    """
    if positive and bool((slope.reshape(-1)[of_each[of_each >= 0].to(slope.device)] <= 0).any()):
        raise Stays("a slope <= 0 does not pass the pooling before it")


def without_tied(model: nn.Module, decisions: Mapping[str, Decision]) -> dict[str, Decision]:
    """Leave slopes out of weights that belong to several layers.

    Args:
        model: the whole one.
        decisions: by name of the site.

    Returns:
        The same, with reasons in place of such layers.
    """
    holders: dict[int, set[tuple[nn.Module, str]]] = defaultdict(set)
    for module in model.modules():
        for group in (module._parameters, module._buffers, vars(module)):
            for name, value in group.items():
                for tensor in tensors_in(value) if name not in {"_parameters", "_buffers", "_modules"} else ():
                    holders[memory_of(tensor)].add((module, name))
    checked = {}
    for site, decision in decisions.items():
        checked[site] = decision
        if decision.layer is not None and any(
            len(holders[memory_of(tensor)]) > 1 for tensor in tensors_of(model.get_submodule(decision.layer)).values()
        ):
            checked[site] = Decision(kept=f"{decision.layer} before it shares its weights", around=decision.around)
    return checked
