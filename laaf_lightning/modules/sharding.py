"""Refuse strategies that cut parameters into shards."""

from __future__ import annotations

from pytorch_lightning import LightningModule
from pytorch_lightning.strategies import FSDPStrategy, ModelParallelStrategy, Strategy

from laaf_lightning.errors import ConfigurationError


def refuse_sharding(strategy: Strategy, module: LightningModule) -> None:
    """Refuse a strategy that shards along a parameter's first dimension, which one slope of a layer does not have.

    Args:
        strategy: the Trainer's.
        module: what it is to train.

    Raises:
        ConfigurationError: for FSDP and model parallelism.
    """
    if isinstance(strategy, (FSDPStrategy, ModelParallelStrategy)):
        raise ConfigurationError(
            f"{type(strategy).__name__} cuts every parameter into shards along its first dimension, and a slope of "
            f"scope 'layer' or 'global' has none; {type(module).__name__} fits one device: use --trainer.strategy ddp"
        )
