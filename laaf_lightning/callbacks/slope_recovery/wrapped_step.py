"""Add a term to the loss that a LightningModule's ``training_step`` returns, on the instance, for one fit."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from typing import Any

from pytorch_lightning import LightningModule
from torch import Tensor

_MARK = "_laaf_name_of_inner_step"


class LossTerm:
    """A term in the loss of one module, from construction until `remove`.

    ``module.training_step`` is replaced on the instance by a bound method, so that a deep copy rebinds it to the
    copy and pickle restores the class's own method. It keeps the signature, which Lightning inspects. Copies of the
    module, and the module itself after `remove`, get their loss unchanged wherever the wrapper survives.

    Args:
        module: the module that is about to be fitted.
        add: receives the loss and returns the loss to use instead.
    """

    def __init__(self, module: LightningModule, add: Callable[[Tensor], Tensor]) -> None:
        unwrap_training_step(module)
        self._module: LightningModule | None = module
        self._add = add
        self._wrap(module)

    def remove(self) -> None:
        """Stop adding the term, and take the wrapper off unless somebody has wrapped it in turn."""
        module, self._module = self._module, None
        if module is not None:
            unwrap_training_step(module)

    def _wrap(self, module: LightningModule) -> None:
        # An instance's own step is kept on the instance, where a deep copy rebinds it, under a name that no other
        # wrapper of the same module uses.
        name = f"_laaf_inner_step_{id(self)}"
        inner = module.__dict__.get("training_step")
        if inner is not None:
            module.__dict__[name] = inner
        has_inner = inner is not None
        original: Callable[..., Any] = type(module).training_step if inner is None else inner

        @functools.wraps(getattr(original, "__func__", original))
        def training_step(module: LightningModule, *args: Any, **kwargs: Any) -> Any:
            if has_inner:
                return self._with_term(module, module.__dict__[name](*args, **kwargs))
            return self._with_term(module, type(module).training_step(module, *args, **kwargs))

        setattr(training_step, _MARK, name)
        module.__dict__["training_step"] = types.MethodType(training_step, module)

    def _with_term(self, module: LightningModule, output: Any) -> Any:
        if module is not self._module:
            return output
        if isinstance(output, Tensor):
            return self._add(output)
        if isinstance(output, Mapping) and isinstance(output.get("loss"), Tensor):
            return {**output, "loss": self._add(output["loss"])}
        return output


def unwrap_training_step(module: LightningModule) -> None:
    """Take the wrapper of a `LossTerm` off; a module without one stays as it is.

    Args:
        module: the module, or a copy of it made during a fit.
    """
    name = getattr(getattr(module.__dict__.get("training_step"), "__func__", None), _MARK, None)
    if name is None:
        return
    del module.__dict__["training_step"]
    inner = module.__dict__.pop(name, None)
    if inner is not None:
        module.__dict__["training_step"] = inner
