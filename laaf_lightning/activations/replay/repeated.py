"""Adapt a model as another one of its class was, from what was written down: no data, no forward pass."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from laaf_lightning.activations.adapted.classes import why_not
from laaf_lightning.activations.adapted.fast_path import leave_fast_path
from laaf_lightning.activations.adapted.intercepted import (
    CALLS,
    AdaptiveCalls,
    Expected,
    hide_from_interceptions,
    intercept,
)
from laaf_lightning.activations.adapted.replaced import give_slope, twin
from laaf_lightning.activations.adaptive import AdaptiveActivation, initial_slope
from laaf_lightning.activations.recording.functions import activation_of
from laaf_lightning.activations.replay.noted import VERSION, Notes
from laaf_lightning.activations.scopes import check_scaling_factor, check_scope
from laaf_lightning.errors import ConfigurationError


def adapt_as_noted(model: nn.Module, notes: Notes) -> None:
    """Adapt a model in place, as one of the same class was.

    Args:
        model: as it was built.
        notes: of `notes_of`; they may come from a file.

    Raises:
        ConfigurationError: before anything is changed, where the model has no such activations, or other ones.

    Example:
        >>> from laaf_lightning.activations import adapt
        >>> from laaf_lightning.activations.replay.noted import notes_of
        >>> notes = notes_of(adapt(nn.Sequential(nn.Linear(2, 3), nn.Tanh())))
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        >>> adapt_as_noted(model, notes)
        >>> model[1].slope.item()
        1.0
    """
    built = _checked(model, notes)
    like = next((p for p in model.parameters() if p.is_floating_point()), None)
    holders: dict[str, nn.Parameter] = {}

    def slope(name: str, site: Mapping[str, Any]) -> nn.Parameter | None:
        if site["shape"] is None:
            return None
        holder = site["slope"] or name
        if holder not in holders:
            holders[holder] = initial_slope(site["n"], site["shape"], like)
        return holders[holder]

    for name, module in _modules(model, notes).items():
        site = notes["sites"][name]
        copies = site.get("copies", False)
        give_slope(module, site["scope"], site["n"], _shape(site), slope(name, site), copies=copies)
    for name, calls in notes["calls"].items():
        owner = model.get_submodule(name)
        sites = {}
        for child, activation in built[name].items():
            site = calls["sites"][child]
            path = f"{name}.{CALLS}.{child}".lstrip(".")
            own = slope(path, site)
            sites[child] = AdaptiveActivation(activation, site["scope"], site["n"], _shape(site), slope=own)
            sites[child]._copies = site.get("copies", False)
        training, evaluation = ([Expected(*call) for call in calls[mode]] for mode in ("training", "evaluation"))
        made = AdaptiveCalls(sites, training, evaluation, name, repeats=calls["repeats"])
        made.methods = (*calls.get("methods", ()),)
        intercept(owner, made)
    if notes["calls"]:
        hide_from_interceptions(model)


def _shape(site: Mapping[str, Any]) -> tuple[int, ...] | None:
    return None if site["shape"] is None else tuple(site["shape"])


def _sites_of_calls(calls: Mapping[str, Any]) -> dict[str, Any]:
    """Find σ of each call's slope."""
    settings = {site: (kind, told) for kind, told, site, *_ in (*calls["evaluation"], *calls["training"])}
    found = {}
    for site in calls["sites"]:
        activation = activation_of(*settings[site])
        found[site] = "identity" if activation is None else activation
    return found


def _checked(model: nn.Module, notes: Notes) -> dict[str, dict[str, Any]]:
    """Check notes against a model; return σ of each call's slope."""
    try:
        _check(model, notes)
        return {name: _sites_of_calls(calls) for name, calls in notes["calls"].items()}
    except ConfigurationError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"the notes on how {type(model).__name__} was adapted are damaged: {reason}") from None


def _check(model: nn.Module, notes: Notes) -> None:
    if notes["version"] != VERSION:
        raise ConfigurationError(
            f"the notes on how {type(model).__name__} was adapted have version {notes['version']}, of another "
            "release of laaf_lightning"
        )
    for name, site in (*notes["sites"].items(), *notes["calls"].items()):
        module = _at(model, name, site["kind"])
        if type(module).__name__ != site["kind"] or CALLS in module._modules or isinstance(module, AdaptiveActivation):
            raise _other(model, f"{name!r} was a {site['kind']} and is {_said(module)}")
        if reason := why_not(module):
            raise _other(model, f"{name!r} is {_said(module)}, and cannot be changed: {reason}")
        for method in site.get("methods", ()):
            if not inspect.isfunction(getattr(type(module), method, None)):
                raise _other(model, f"{name!r} had a method {method!r}")
        for path in site["names"]:
            if _at(model, path, site["kind"]) is not module:
                raise _other(model, f"{name!r} and {path!r} were one module, and are two")
        for slope in [site] if "shape" in site else site["sites"].values():
            check_scope(slope["scope"])
            check_scaling_factor(slope["n"])


def _at(model: nn.Module, name: str, kind: str) -> nn.Module:
    try:
        return model.get_submodule(name)
    except AttributeError:
        raise _other(model, f"{name!r} was a {kind}, and there is nothing of that name") from None


def _said(module: nn.Module) -> str:
    return f"{'an adapted' if isinstance(module, AdaptiveActivation) else 'a'} {type(module).__name__}"


def _other(model: nn.Module, text: str) -> ConfigurationError:
    return ConfigurationError(
        f"this {type(model).__name__} is not built as the one that was adapted: {text}; give it the same arguments"
    )


def _modules(model: nn.Module, notes: Notes) -> dict[str, nn.Module]:
    """Put at the place of every site a module of its own, a twin where another place keeps the one that hangs there."""
    names: dict[nn.Module, set[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        names.setdefault(module, set()).add(path)
    modules = {}
    for name, site in notes["sites"].items():
        module = model.get_submodule(name)
        names[module] -= set(site["names"])
        chosen = twin(module) if names[module] else module
        for path in site["names"]:
            prefix, _, child = path.rpartition(".")
            parent = model.get_submodule(prefix)
            setattr(parent, child, chosen)
            leave_fast_path(parent)
        modules[name] = chosen
    return modules
