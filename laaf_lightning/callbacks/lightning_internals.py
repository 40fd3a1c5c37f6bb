"""What the callbacks need of Lightning that has no public name; a test of this file notices where it goes."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.trainer.connectors.data_connector import _request_dataloader
from pytorch_lightning.utilities import CombinedLoader


def prepared_batch(trainer: Trainer, module: LightningModule, batch: Any) -> Any:
    """Make of a loader's batch what a training step gets.

    Where module and DataModule both have a hook for batches, Lightning prefers the DataModule's.

    Args:
        trainer: the Trainer, whose precision and strategy hold.
        module: the module that is fitted.
        batch: as the loader yields it.

    Returns:
        The batch on the device.
    """
    converted = trainer.precision_plugin.convert_input(batch)
    return trainer.strategy.batch_to_device(module._on_before_batch_transfer(converted, dataloader_idx=0))


def training_loaders(trainer: Trainer) -> CombinedLoader:
    """Combine the loaders of training anew, in the mode of training, so that its own iterators stay where they are.

    Args:
        trainer: a Trainer that fits.

    Returns:
        What yields (batch, number of the batch, number of the loader).
    """
    training = trainer.fit_loop._combined_loader
    assert training is not None  # while a Trainer fits
    again = CombinedLoader(training.iterables, training._mode)
    again.limits = training.limits
    return again


def saves_weights_now(trainer: Trainer) -> bool:
    """Tell whether a checkpoint of weights alone may follow the batch that ends, which no callback hears of.

    Args:
        trainer: a Trainer that fits.

    Returns:
        True for every batch where a time and not a number of steps says when.
    """
    for callback in trainer.checkpoint_callbacks:
        if getattr(callback, "save_weights_only", False):
            every: int = getattr(callback, "_every_n_train_steps", 0) or 0
            if getattr(callback, "_train_time_interval", None) is not None:
                return True
            if every and trainer.global_step % every == 0:
                return True
    return False


def training_data(trainer: Trainer) -> Any:
    """Return the training data of a Trainer that is about to fit, before it has made loaders of it.

    Args:
        trainer: the Trainer.

    Returns:
        What the module's or the DataModule's ``train_dataloader`` returns, or what was given to ``fit``.
    """
    # Loaders are made as Lightning makes its own, which it may have to make again with another sampler.
    return _request_dataloader(trainer.fit_loop._data_source)


def batch_on_device(trainer: Trainer, module: LightningModule, batch: Any, device: Any) -> Any:
    """Take a batch through the hooks for batches, without converting it to the Trainer's precision.

    Args:
        trainer: the Trainer.
        module: the module that is fitted.
        batch: as the loader yields it.
        device: where it is to go.

    Returns:
        The batch on the device.
    """
    return trainer.strategy.batch_to_device(module._on_before_batch_transfer(batch, dataloader_idx=0), device)
