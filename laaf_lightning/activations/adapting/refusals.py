"""What `adapt` does not take: models to which something was done before, and those that cannot be copied."""

from __future__ import annotations

import copy
import pickle
from typing import TypeVar

import torch
import torch.fx
from torch import nn

from laaf_lightning.activations.model_argument import not_initialised, wrapper_of
from laaf_lightning.errors import ConfigurationError

M = TypeVar("M", bound=nn.Module)


def refuse_wrapped(model: nn.Module, inplace: bool) -> None:
    """Refuse a model that was wrapped, compiled, sharded, traced or is not built yet.

    Args:
        model: to be adapted.
        inplace: whether it is changed itself.

    Raises:
        ConfigurationError: with the order of things that works.
    """
    if reason := _wrapped(model, inplace) or _unfinished(model, type(model).__name__):
        raise ConfigurationError(f"adapt: {reason}")


def refuse_inference_mode() -> None:
    """Refuse to make slopes that cannot be trained.

    Raises:
        ConfigurationError: within ``torch.inference_mode()``.
    """
    if torch.is_inference_mode_enabled():
        raise ConfigurationError(
            "adapt is called within torch.inference_mode(), where nothing that is made can be trained: call it outside"
        )


def copied(model: M) -> M:
    """Copy a model; one that was compiled in place holds the code of the original, which a copy must not run.

    Args:
        model: any module.

    Returns:
        A deep copy.

    Raises:
        ConfigurationError: for a model that holds something of which there is no copy.
    """
    try:
        copied = copy.deepcopy(model)
    except (TypeError, RuntimeError, pickle.PickleError) as error:
        said = str(error).partition("\n")[0].partition(".  ")[0]
        raise ConfigurationError(
            f"adapt: {type(model).__name__} cannot be copied ({type(error).__name__}: {said}): give a model that holds "
            "nothing of the kind, such as a result of an earlier forward, or change it itself, inplace=True"
        ) from error
    for module in copied.modules():
        module._compiled_call_impl = None
    return copied


def _wrapped(model: nn.Module, inplace: bool) -> str | None:
    wrapper = wrapper_of(model)
    if wrapper == "fully_shard":
        return "the model is sharded by fully_shard: adapt first, then fully_shard(model)"
    if wrapper == "torch.compile":
        return "the model is compiled: adapt first, model = adapt(model._orig_mod, …), then torch.compile(model)"
    if wrapper is not None:
        return f"the model is wrapped in {wrapper}: adapt first, model = adapt(model.module, …), then {wrapper}(model)"
    for name, module in model.named_modules():
        if hasattr(module, "_orig_mod"):
            return f"{name} is compiled: put {name}._orig_mod there, adapt, then compile it again"
    if inplace and any(module._compiled_call_impl is not None for module in model.modules()):
        return "the model was compiled in place: adapt first, then model.compile(); or take a copy, inplace=False"
    return None


def _unfinished(model: nn.Module, name: str) -> str | None:
    if isinstance(model, torch.jit.ScriptModule):
        return f"the model is a {name} of TorchScript: adapt the model that it was made from, then trace or script that"
    if isinstance(model, torch.fx.GraphModule) and any(
        isinstance(node.target, torch._ops.OpOverload) for node in model.graph.nodes
    ):
        return "the model was exported: adapt the model that it was made from, then torch.export that"
    if (lazy := not_initialised(model)) is not None:
        return f"{lazy!r} is not initialised: run a batch through the model first, so that lazy modules have sizes"
    return None
