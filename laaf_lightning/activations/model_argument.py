"""Whether what is given for a model is one, and not wrapped in another or unfinished."""

from __future__ import annotations

import copy
import sys
from typing import TypeVar

from torch import nn
from torch.nn.parameter import is_lazy

from laaf_lightning.errors import ConfigurationError

M = TypeVar("M", bound=nn.Module)
_WRAPPERS = ("DistributedDataParallel", "DataParallel", "FullyShardedDataParallel", "DeepSpeedEngine")


def check_model(model: object) -> None:
    """Refuse what is no module.

    Args:
        model: what was given for a model.

    Raises:
        ConfigurationError: for a class, a name and anything else that is no instance of ``torch.nn.Module``.

    Example:
        >>> check_model(nn.Linear)
        Traceback (most recent call last):
        laaf_lightning.errors.ConfigurationError: model=Linear is a class: give an instance, model=Linear(…)
    """
    if isinstance(model, type):
        raise ConfigurationError(f"model={model.__name__} is a class: give an instance, model={model.__name__}(…)")
    if not isinstance(model, nn.Module):
        raise ConfigurationError(f"model={model!r} is no model: give a torch.nn.Module")


def refuse_in_own_constructor(model: nn.Module, inplace: bool) -> None:
    """Refuse to copy a module that is just being constructed: the copy would be lost, and the original trained.

    Looks at the function that called the caller, which is the only one that can tell.

    Args:
        model: what is to be adapted.
        inplace: whether it is changed itself, which does no harm.

    Raises:
        ConfigurationError: if that function is the module's own constructor.
    """
    frame = sys._getframe(1).f_back
    if inplace or frame is None or frame.f_code.co_name != "__init__" or not frame.f_code.co_varnames:
        return
    if frame.f_locals.get(frame.f_code.co_varnames[0]) is model:
        name = type(model).__name__
        raise ConfigurationError(
            f"adapt(self) in the constructor of {name} returns a copy, and {name} itself stays as it is: write "
            "self.net = adapt(self.net, …) for the part with the activations, or adapt(self, …, inplace=True)"
        )


def wrapper_of(model: nn.Module) -> str | None:
    """Tell what a model is wrapped in, so that its layers are not its own.

    Args:
        model: any module.

    Returns:
        The name of the wrapper's class; ``"fully_shard"`` for one that is sharded in place, ``"torch.compile"`` for one
        that was compiled; None for none of these.
    """
    if type(model).__name__ in _WRAPPERS:
        return type(model).__name__
    if any(type(module).__name__.startswith("FSDP") for module in model.modules()):
        return "fully_shard"
    return "torch.compile" if hasattr(model, "_orig_mod") else None


def copy_of(model: M, asker: str, way_out: str) -> M:
    """Copy a model; one that was compiled in place holds the code of the original, which a copy must not run.

    Args:
        model: any module.
        asker: the function that needs a copy, for the error.
        way_out: what to do where there is none, for the error.

    Returns:
        A deep copy.

    Raises:
        ConfigurationError: for a model that cannot be copied.
    """
    try:
        copied = copy.deepcopy(model)
    except Exception as error:  # whatever a module of another's may raise
        reason = " ".join(str(error).split())
        raise ConfigurationError(
            f"{asker}: {type(model).__name__} cannot be copied ({type(error).__name__}: {reason}), and without a copy "
            f"nothing can be tried before it is changed: {way_out}"
        ) from error
    for module in copied.modules():
        vars(module).pop("_compiled_call_impl", None)
    return copied


def not_initialised(model: nn.Module) -> str | None:
    """Name a parameter that has no size yet, as those of lazy modules.

    Args:
        model: any module.

    Returns:
        The first one's name; None where all have sizes.
    """
    return next((name for name, parameter in model.named_parameters() if is_lazy(parameter)), None)
