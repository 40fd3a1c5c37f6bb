"""Models that cannot be folded as they stand."""

from __future__ import annotations

import torch
from torch import nn

from laaf_lightning.activations.adapted.replaced import AdaptedModule
from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.model_argument import not_initialised, wrapper_of
from laaf_lightning.activations.recovery import adaptive_sites, refuse_computed_slopes
from laaf_lightning.errors import ConfigurationError


def refuse_unfoldable(model: nn.Module, inplace: bool) -> None:
    """Refuse a model that is wrapped, compiled or scripted, or whose numbers are not there or not finite.

    Args:
        model: to be folded.
        inplace: whether it is changed itself.

    Raises:
        ConfigurationError: with what to do.
    """
    refuse_computed_slopes(model, "fold")
    reason = _wrapped(model) or _not_in_place(model, inplace)
    if reason := reason or _unfinished(model) or _of_ones_own(model) or _not_finite(model):
        raise ConfigurationError(f"fold: {reason}")


def _wrapped(model: nn.Module) -> str | None:
    wrapper = wrapper_of(model)
    if wrapper == "fully_shard":
        return "the model is sharded by fully_shard: load its state into one that is not, and fold that"
    if wrapper == "torch.compile" or any(hasattr(module, "_orig_mod") for module in model.modules()):
        return "the model is compiled: give what was compiled, fold(model._orig_mod, …), and compile the result"
    if wrapper is not None:
        return f"the model is wrapped in {wrapper}: give what it holds, fold(model.module, …)"
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        return "the model is one of TorchScript: fold the model that it was made from, then trace or script that"
    return None


def _not_in_place(model: nn.Module, inplace: bool) -> str | None:
    if inplace and any(module._compiled_call_impl is not None for module in model.modules()):
        return "the model was compiled in place: take a copy, inplace=False, and compile that"
    if inplace and type(model) is AdaptiveActivation:
        return "an AdaptiveActivation alone cannot become another module in place: take a copy, inplace=False"
    return None


def _unfinished(model: nn.Module) -> str | None:
    if (lazy := not_initialised(model)) is not None:
        return f"{lazy!r} is not initialised: run a batch through the model first"
    meta = next((name for name, parameter in model.named_parameters() if parameter.is_meta), None)
    return None if meta is None else f"{meta!r} is on the meta device and has no values: load them first"


def _of_ones_own(model: nn.Module) -> str | None:
    for name, module in model.named_modules():
        kind: type = type(module)
        if (
            issubclass(kind, AdaptiveActivation)
            and kind is not AdaptiveActivation
            and AdaptedModule not in kind.__mro__
        ):
            return f"{name!r} is a {kind.__name__}, and what it computes without a slope is not known"
    return None


def _not_finite(model: nn.Module) -> str | None:
    for name, tensor in model.named_parameters():
        ordinary = tensor.is_floating_point() and tensor.layout == torch.strided
        if ordinary and not bool(tensor.detach().isfinite().all()):
            return f"{name!r} is not finite, so that no output tells whether the folded model is the same"
    for name, site in adaptive_sites(model):
        if not bool(site.slope.detach().isfinite().all()):
            return f"n·a of {name!r} is not finite in {site.slope.dtype}: fold it in a wider dtype, model.double()"
    return None
