"""Adapt a copy of a LightningModule on an example, and tell how; the module itself stays as it is."""

from __future__ import annotations

import copy
import types
import warnings
from collections.abc import Mapping
from typing import Any

from pytorch_lightning import LightningModule
from torch import nn

from laaf_lightning.activations import Scope, activation_sites, adapt
from laaf_lightning.activations.adapted.intercepted import CALLS
from laaf_lightning.activations.elementwise import FUNCTIONS
from laaf_lightning.activations.recording.example import example_of
from laaf_lightning.activations.replay.form import Form, form_of
from laaf_lightning.activations.replay.noted import Notes, notes_of
from laaf_lightning.errors import ConfigurationError

# What a user would have to move.
_MOVE = "move them to forward, or make them modules"


def notes_on_example(
    module: LightningModule,
    example: Any,
    scope: Scope,
    n: float,
    where: str | list[str] | None,
    *,
    strict: bool,
    feature_dim: int | Mapping[str, int] | None,
    share_loops: bool,
) -> Notes | None:
    """Find out how a module is adapted.

    A module without a ``forward``, whose ``training_step`` calls its networks, is looked at in this step.

    Args:
        module: any; it is left as it is.
        example: of `example_of_data`.
        scope: as for `adapt`.
        n: as for `adapt`.
        where: as for `adapt`.
        strict: as for `adapt`.
        feature_dim: as for `adapt`.
        share_loops: as for `adapt`.

    Returns:
        How; None for calls of functions alone that stay plain.

    Raises:
        ConfigurationError: what `adapt` refuses, and a module that cannot be run or copied.
    """
    name = type(module).__name__
    settings: dict[str, Any] = {"strict": strict, "feature_dim": feature_dim, "share_loops": share_loops}
    try:
        if not _has_no_forward(module):
            looked_at = _copy(module) if any(map(_is_compiled, module.modules())) else module
            return notes_of(adapt(looked_at, scope, n, example, where=where, **settings))
        stepping = _copy(module)  # without a Trainer: what it logs goes nowhere
        vars(stepping)["forward"] = types.MethodType(_step, stepping)
        chosen = _sites_of_step(stepping, (example,), where, strict)
        return notes_of(adapt(stepping, scope, n, (example,), where=chosen, **settings))
    except Exception as error:
        failure = error.__cause__ if isinstance(error, ConfigurationError) else error
        if failure is None:
            raise
        method = "training_step" if _has_no_forward(module) else "forward"
        raise ConfigurationError(
            f"{name} cannot be adapted from outside, its copy or its {method} on a batch fails with "
            f"{type(failure).__name__}: {failure}; adapt its network in its constructor, "
            "self.net = laaf.adapt(self.net, …)"
        ) from failure


def form_of_call(module: LightningModule, example: Any) -> Form | None:
    """Write down the form of what ``forward`` was called with when a module was looked at.

    Args:
        module: it.
        example: of `example_of_data`, on which `notes_on_example` has run it.

    Returns:
        The form; None for a module without a ``forward``, and where more than tensors and plain values were given.
    """
    return None if _has_no_forward(module) else form_of(example_of(module, example))


def calls_in_step(module: LightningModule) -> list[str]:
    """List the activations that a module's ``training_step`` seems to call itself, outside of any forward.

    Args:
        module: with a ``forward``.

    Returns:
        Names of functions, as its code has them.
    """
    code = getattr(type(module).training_step, "__code__", None)
    return [] if code is None else [name for name in code.co_names if name in FUNCTIONS]


def _has_no_forward(module: LightningModule) -> bool:
    return type(module).forward is LightningModule.forward


def _is_compiled(module: nn.Module) -> bool:
    return module._compiled_call_impl is not None


def _copy(module: LightningModule) -> LightningModule:
    """Copy a module; a copy of Lightning's would go on calling what the original has compiled."""
    copied = copy.deepcopy(module)
    for part in copied.modules():
        part._compiled_call_impl = None
    return copied


def _step(module: LightningModule, batch: Any) -> Any:
    step = type(module).training_step
    return step(module, *(batch, 0)[: step.__code__.co_argcount - 1])


def _sites_of_step(module: LightningModule, example: Any, where: Any, strict: bool) -> list[str]:
    """Choose the activations that a forward makes; those that stand in the step itself are said to be left out."""
    table = activation_sites(module, example, where)
    in_step = [site for site in table if site.name.startswith(f"{CALLS}.")]
    chosen = [site.name for site in table if site.adapted and site not in in_step]
    names = ", ".join(dict.fromkeys(site.kind for site in in_step))
    if not chosen:
        what = f"calls {names} itself: {_MOVE}" if in_step else "calls no elementwise activation"
        raise ConfigurationError(f"AdaptActivations: the training_step of {type(module).__name__} {what}")
    others = [f"{site.name} ({site.kind}): {site.left_out}" for site in table.left_out if site not in in_step]
    others = [text for text in others if not text.endswith("left out by where")]
    if in_step:
        others.insert(0, f"{names} in training_step itself: {_MOVE}")
    text = f"adapt: activations of {type(module).__name__} that get no slope: {'; '.join(others)}"
    if others and strict:
        raise ConfigurationError(f"{text}; leave them out with where=…, or allow it, strict=False")
    if others:
        warnings.warn(text, UserWarning, stacklevel=2)
    return chosen
