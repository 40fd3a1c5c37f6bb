"""What `adapt` has changed in a model, written as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from laaf_lightning.activations.adapted.intercepted import CALLS, AdaptiveCalls, Expected
from laaf_lightning.activations.adapted.replaced import AdaptedModule
from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.recording.functions import plain
from laaf_lightning.activations.replay.form import Form, check_form
from laaf_lightning.errors import ConfigurationError

KEY = "laaf_lightning.adapted"  # of a checkpoint, under which the notes lie
VERSION = 1
Notes = dict[str, Any]
_BESIDE = ("request", "form")  # the notes


class Noted(NamedTuple):
    """What a checkpoint tells of how its model was adapted.

    Attributes:
        notes: of `notes_of`.
        request: what was asked for; None where that is not known.
        form: of what the model was called with; None where that is not known.
    """

    notes: Notes
    request: dict[str, Any] | None
    form: Form | None


def notes_of(model: nn.Module) -> Notes | None:
    """Write down what `adapt` has changed in a model.

    Args:
        model: any module.

    Returns:
        Plain values: ``sites``, the activation modules that have a slope, by name; ``calls``, the modules whose forward
        calls activations as functions, each with these calls in order. None for a model in which nothing was adapted;
        an `AdaptiveActivation` that it was built with is none of `adapt`'s.

    Example:
        >>> from laaf_lightning.activations import adapt
        >>> notes_of(adapt(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), n=2))["sites"]
        {'1': {'names': ['1'], 'kind': 'Tanh', 'scope': 'layer', 'n': 2.0, 'shape': [], 'slope': None}}
    """
    holders: dict[nn.Parameter, str] = {}
    names: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(module, []).append(name)
    sites = {
        paths[0]: {"names": paths, "kind": module.plain_class.__name__, **_slope(module, paths[0], holders)}
        for module, paths in names.items()
        if isinstance(module, AdaptedModule)
    }
    calls = {
        paths[0]: _calls(module, module._modules[CALLS], paths, holders)
        for module, paths in names.items()
        if isinstance(module._modules.get(CALLS), AdaptiveCalls)
    }
    return {"version": VERSION, "sites": sites, "calls": calls} if sites or calls else None


def note_in(
    checkpoint: dict[str, Any], notes: Notes, request: Mapping[str, Any] | None, form: Form | None = None
) -> None:
    """Let a checkpoint hold how its model was adapted.

    Args:
        checkpoint: that is about to be saved.
        notes: of `notes_of`.
        request: plain values, what was asked for; None where that is not known.
        form: of what the model was called with; None where that is not known.
    """
    checkpoint[KEY] = {**notes, "request": None if request is None else dict(request)}
    if form is not None:
        checkpoint[KEY]["form"] = form


def noted_in(checkpoint: Mapping[str, Any]) -> Noted | None:
    """Read how a checkpoint's model was adapted.

    Args:
        checkpoint: that was loaded.

    Returns:
        The notes, and what lies beside them; None where there are none.

    Raises:
        ConfigurationError: if they are not what `note_in` writes.
    """
    kept = checkpoint.get(KEY)
    if kept is None:
        return None
    parts = [kept.get(part) for part in ("sites", "calls", "request")] if isinstance(kept, dict) else [None]
    if not all(isinstance(part, dict) for part in parts[:2]) or not isinstance(parts[-1], dict | None):
        raise ConfigurationError(f"{KEY!r} of the checkpoint is damaged: it holds no notes on how a model was adapted")
    notes = {name: value for name, value in kept.items() if name not in _BESIDE}
    form = kept.get("form")
    try:
        shapes = _shapes(notes)
        if form is not None:
            check_form(form)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{KEY!r} of the checkpoint is damaged: {type(error).__name__}: {error}") from None
    state = checkpoint.get("state_dict", {})
    for key, shape in shapes.items():
        saved = state.get(key)
        if not isinstance(saved, Tensor) or [*saved.shape] != shape:
            raise ConfigurationError(f"{KEY!r} of the checkpoint is damaged: {key!r} is no slope of shape {shape}")
    return Noted(notes, parts[-1], form)


def slope_keys(notes: Notes) -> set[str]:
    """List what slopes have added to the keys of a state dict.

    Args:
        notes: of `notes_of`.

    Returns:
        The keys of all slopes and of their n.
    """
    return {_below(name, kind) for name in _noted(notes) for kind in ("a", "n")}


def _noted(notes: Notes) -> dict[str, dict[str, Any]]:
    """List what is said of each slope, by every name of it."""
    sites = {name: site for site in notes["sites"].values() for name in site["names"]}
    for owner in notes["calls"].values():
        sites |= {
            f"{_below(name, CALLS)}.{call}": site for name in owner["names"] for call, site in owner["sites"].items()
        }
    return sites


def _shapes(notes: Notes) -> dict[str, Any]:
    """Return the shape of each slope, by its key."""
    return {_below(name, "a"): site["shape"] for name, site in _noted(notes).items() if site["shape"] is not None}


def _below(name: str, child: str) -> str:
    return f"{name}.{child}" if name else child


def _slope(site: AdaptiveActivation, name: str, holders: dict[nn.Parameter, str]) -> dict[str, Any]:
    """Describe a slope; one that several sites share lies at the first of them."""
    holder = name if site.a is None else holders.setdefault(site.a, name)
    return {
        "scope": site.scope,
        "n": site.n,
        "shape": None if site.a is None else list(site.a.shape),
        "slope": None if holder == name else holder,
        **({"copies": True} if site._copies else {}),
    }


def _calls(
    owner: nn.Module, calls: nn.Module | None, names: list[str], holders: dict[nn.Parameter, str]
) -> dict[str, Any]:
    assert isinstance(calls, AdaptiveCalls)
    return {
        "names": names,
        "kind": type(owner).__name__,
        "repeats": calls.repeats,
        **({"methods": [*calls.methods]} if calls.methods else {}),
        "training": _written(calls.expected[True]),
        "evaluation": _written(calls.expected[False]),
        "sites": {
            name: _slope(site, f"{_below(names[0], CALLS)}.{name}", holders)
            for name, site in calls.named_children()
            if isinstance(site, AdaptiveActivation)
        },
    }


def _written(expected: tuple[Expected, ...]) -> list[list[Any]]:
    return [[call.kind, plain(call.settings), call.site, *[True] * call.hidden] for call in expected]
