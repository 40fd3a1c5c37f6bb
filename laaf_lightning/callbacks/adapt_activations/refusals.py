"""What `AdaptActivations` refuses, each with the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.strategies import FSDPStrategy, ModelParallelStrategy

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.errors import ConfigurationError

_OFF = "leave AdaptActivations out (--adapt.scope null)"


def refuse_company(callbacks: Sequence[object]) -> None:
    """Refuse several callbacks that would adapt one module.

    Args:
        callbacks: the `AdaptActivations` of one Trainer that have a scope.

    Raises:
        ConfigurationError: for more than one.
    """
    if len(callbacks) > 1:
        raise ConfigurationError(
            f"{len(callbacks)} callbacks would adapt one module: {' and '.join(map(repr, callbacks))}; keep one. The "
            "command line makes one itself, set by --adapt.scope and its other options"
        )


def refuse_slopes_of_its_own(module: LightningModule) -> None:
    """Refuse a module that has adaptive activations already.

    Args:
        module: that is to be adapted.

    Raises:
        ConfigurationError: if there is one in it.
    """
    if any(isinstance(part, AdaptiveActivation) for part in module.modules()):
        name = type(module).__name__
        raise ConfigurationError(
            f"{name} has adaptive activations of its own, whose scope is set where it is built, {name}(scope=…) "
            f"(--model.scope): {_OFF}"
        )


def refuse_other_request(module: LightningModule, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to adapt a module that was adapted otherwise.

    Args:
        module: that is to be adapted.
        before: how it was.
        now: how it is to be.

    Raises:
        ConfigurationError: if they differ.
    """
    for key, value in now.items():
        if before.get(key) != value:
            raise ConfigurationError(
                f"{type(module).__name__} is adapted already, with {key}={before.get(key)!r}, and {key}={value!r} is "
                f"asked for (--adapt.{key}): take a new {type(module).__name__}, or {key}={before.get(key)!r}"
            )


def refuse_compiled(module: LightningModule) -> None:
    """Refuse what ``torch.compile`` has wrapped; a module's own ``compile()`` is met at its first call only.

    Args:
        module: that is to be adapted.

    Raises:
        ConfigurationError: for a compiled module, or one that holds one.
    """
    wrapped = next((name for name, part in module.named_modules() if hasattr(part, "_orig_mod")), None)
    if wrapped is None and getattr(module, "_compiler_ctx", None) is None:
        return
    what = type(module).__name__ if wrapped is None else f"{wrapped!r} of {type(module).__name__}"
    raise ConfigurationError(
        f"{what} was compiled by torch.compile, before it is adapted: compile it in place, .compile() in the "
        "constructor, which takes effect at the first call"
    )


def refuse_sharding(trainer: Trainer) -> None:
    """Refuse a strategy that cuts parameters along their first dimension, which a slope of a layer has not.

    Args:
        trainer: the Trainer.

    Raises:
        ConfigurationError: for FSDP and model parallelism.
    """
    if isinstance(trainer.strategy, (FSDPStrategy, ModelParallelStrategy)):
        raise ConfigurationError(
            f"AdaptActivations with {type(trainer.strategy).__name__}: it cuts every parameter into shards along its "
            "first dimension, and a slope of scope 'layer' or 'global' has none: use --trainer.strategy ddp"
        )


def refuse_slopes_of_checkpoint(module: LightningModule, notes: object) -> None:
    """Refuse a checkpoint that has other slopes than the module.

    Args:
        module: as it is adapted.
        notes: on how the checkpoint's module was; None if it was not.

    Raises:
        ConfigurationError: always.
    """
    name = type(module).__name__
    if notes is None:
        raise ConfigurationError(
            f"the checkpoint holds no slopes, or does not tell how they came there, and {name} is adapted: go on "
            f"without, --adapt.scope null, or start a new fit from its weights, --init_from"
        )
    raise ConfigurationError(
        f"the checkpoint is of a {name} whose activations were adapted in another way than this one's: give the scope, "
        "n and where that it was trained with (--adapt.scope, --adapt.n, --adapt.where), or none, to take its own"
    )
