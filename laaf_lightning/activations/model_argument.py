"""Whether what is given for a model is one."""

from __future__ import annotations

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
