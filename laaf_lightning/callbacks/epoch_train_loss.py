"""The training loss as the paper plots it: a second pass over the training set after every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from laaf_lightning.errors import ConfigurationError


class EpochTrainLoss(Callback):
    """Log the mean loss over the training set before the first epoch and after every one.

    The loss is the module's ``loss(batch)``, without slope recovery, with dropout and augmentation as in training (new
    draws where the loader has ``second_pass()``), on the batches that training uses (``limit_train_batches`` holds).
    Logged as ``epoch_train_loss`` beside ``epoch``, the number of epochs trained: 0 is the untrained network. Training
    is the same with and without it: random states are put back, and so are the running statistics of batch norms, which
    the authors' code lets drift. It costs one forward pass over the set an epoch. Nothing is done under
    ``fast_dev_run``, and where ``max_steps`` ends the run inside the first epoch.

    Source: Jagtap, Kawaguchi & Karniadakis 2020, section 4, Figs. 5 and 6 and the authors' code.

    Args:
        enabled: false switches it off.

    Example:
        ``laaf fit --config configs/semeion.yaml --epoch_train_loss.enabled false``
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._active = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the untrained network, unless the run goes on from a checkpoint.

        Raises:
            ConfigurationError: for a module without ``loss(batch)``.
        """
        fits_an_epoch = trainer.max_steps < 0 or trainer.max_steps >= _steps_per_epoch(trainer)
        self._active = self.enabled and not getattr(trainer, "fast_dev_run", False) and fits_an_epoch
        if not self._active:
            return
        if not callable(getattr(pl_module, "loss", None)):
            raise ConfigurationError(
                f"EpochTrainLoss needs a method loss(batch) of {type(pl_module).__name__}: give it one, or switch the "
                "callback off (--epoch_train_loss.enabled false)"
            )
        if trainer.global_step == 0:
            self._measure(trainer, pl_module, epoch=0)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure."""
        if self._active:
            self._measure(trainer, pl_module, epoch=trainer.current_epoch + 1)

    def _measure(self, trainer: Trainer, module: LightningModule, epoch: int) -> None:
        total, count = torch.zeros((), device=module.device), 0
        with _unchanged(module):
            for batch in islice(_batches(trainer), int(trainer.num_training_batches)):
                prepared = module.on_before_batch_transfer(trainer.precision_plugin.convert_input(batch), 0)
                on_device = trainer.strategy.batch_to_device(prepared)
                with trainer.precision_plugin.forward_context():
                    loss: Tensor = module.loss(on_device)  # type: ignore[operator]
                size = _batch_size(on_device)
                total += size * loss.float()
                count += size
        summed, images = trainer.strategy.reduce(torch.stack([total, total.new_tensor(count)]), reduce_op="sum")
        mean = float(summed / images)
        trainer.callback_metrics["epoch_train_loss"] = torch.tensor(mean)
        for logger in trainer.loggers:
            logger.log_metrics({"epoch_train_loss": mean, "epoch": epoch}, step=trainer.global_step)


def _steps_per_epoch(trainer: Trainer) -> float:
    return trainer.num_training_batches / trainer.accumulate_grad_batches


def _batches(trainer: Trainer) -> Iterator[Any]:
    loader: Any = trainer.train_dataloader
    again = getattr(loader, "second_pass", None)
    return again() if callable(again) else iter(loader)


@contextmanager
def _unchanged(module: LightningModule) -> Iterator[None]:
    """Compute in training mode without gradients, and put random states, modes and batch statistics back."""
    modes = {part: part.training for part in module.modules()}
    buffers = {buffer: buffer.clone() for buffer in module.buffers()}
    module.train()
    try:
        with isolate_rng(), torch.no_grad():
            yield
    finally:
        for part, training in modes.items():
            part.training = training
        for buffer, value in buffers.items():
            buffer.copy_(value)


def _batch_size(batch: Any) -> int:
    """Return the length of the batch's first tensor."""
    sizes: list[int] = []
    apply_to_collection(batch, Tensor, lambda tensor: sizes.append(len(tensor)))
    return sizes[0]
