"""Add a term to the loss that a LightningModule's ``training_step`` returns, on the instance, for one fit."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from pytorch_lightning import LightningModule
from torch import Tensor

_MARK = "_laaf_loss_term"
_INSTANCE_STEP = "_laaf_instance_training_step"


def wrap_training_step(module: LightningModule, add_term: Callable[[LightningModule, Tensor], Tensor]) -> None:
    """Replace ``module.training_step`` on the instance by one whose loss goes through `add_term`.

    The wrapper is a bound method, so that a deep copy rebinds it to the copy and pickle restores the class's own
    method. It keeps the signature, which Lightning inspects.

    Args:
        module: the module that is about to be fitted.
        add_term: receives the module whose step ran (a copy, for a copy) and its loss; returns the loss to use.
    """
    unwrap_training_step(module)
    inner = module.__dict__.get("training_step")
    if inner is not None:
        module.__dict__[_INSTANCE_STEP] = inner
    original = type(module).training_step if inner is None else inner

    @functools.wraps(getattr(original, "__func__", original))
    def training_step(self: LightningModule, *args: Any, **kwargs: Any) -> Any:
        step = self.__dict__.get(_INSTANCE_STEP)
        output = step(*args, **kwargs) if step is not None else type(self).training_step(self, *args, **kwargs)
        if isinstance(output, Tensor):
            return add_term(self, output)
        if isinstance(output, dict) and isinstance(output.get("loss"), Tensor):
            return {**output, "loss": add_term(self, output["loss"])}
        return output

    setattr(training_step, _MARK, True)
    module.__dict__["training_step"] = types.MethodType(training_step, module)


def unwrap_training_step(module: LightningModule) -> None:
    """Take a wrapper of `wrap_training_step` off again; a module without one stays as it is.

    Args:
        module: the module, or a copy of it made during a fit.
    """
    current = module.__dict__.get("training_step")
    if current is None or not getattr(getattr(current, "__func__", None), _MARK, False):
        return
    del module.__dict__["training_step"]
    inner = module.__dict__.pop(_INSTANCE_STEP, None)
    if inner is not None:
        module.__dict__["training_step"] = inner
