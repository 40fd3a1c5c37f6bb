"""What a module was adapted with, kept on it, and taken from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytorch_lightning import LightningModule

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.activations.replay.form import keep_form
from laaf_lightning.activations.replay.noted import noted_in
from laaf_lightning.activations.replay.repeated import adapt_as_noted

_MARK = "_laaf_adapted"


def request_of(module: LightningModule) -> dict[str, Any] | None:
    """Tell what a module was adapted with.

    Args:
        module: any.

    Returns:
        The settings; None for one that `AdaptActivations` has not adapted.
    """
    request: dict[str, Any] | None = vars(module).get(_MARK)
    return request


def keep_request(module: LightningModule, request: Mapping[str, Any] | None) -> None:
    """Let a module, and its copies, know what it was adapted with.

    Args:
        module: that was adapted.
        request: the settings, plain values.
    """
    vars(module)[_MARK] = None if request is None else dict(request)


def take_slopes(module: LightningModule, checkpoint: Mapping[str, Any]) -> None:
    """Adapt a module that is to take the weights of a checkpoint, as the checkpoint's was.

    Args:
        module: one with adaptive activations is left as it is.
        checkpoint: that was loaded; where it tells nothing, nothing is done.

    Raises:
        ConfigurationError: where the module has other activations.
    """
    noted = noted_in(checkpoint)
    if noted is not None and not any(isinstance(part, AdaptiveActivation) for part in module.modules()):
        adapt_as_noted(module, noted.notes)
        keep_request(module, noted.request)
        keep_form(module, noted.form)
