"""Whether what is given for a model is one."""

from __future__ import annotations

import sys

from torch import nn

from laaf_lightning.errors import ConfigurationError


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
