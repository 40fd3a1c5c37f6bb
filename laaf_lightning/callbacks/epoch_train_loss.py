"""The training loss as the paper plots it: a second pass over the training set after every epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from laaf_lightning.callbacks.lightning_internals import prepared_batch, training_loaders
from laaf_lightning.callbacks.log_now import log_now
from laaf_lightning.callbacks.undisturbed import undisturbed
from laaf_lightning.errors import ConfigurationError


class EpochTrainLoss(Callback):
    """Log the mean loss over the training set before the first epoch and after every one.

    The loss is the module's ``loss(batch)``, without slope recovery, with dropout and augmentation as in training (new
    draws where the loader has ``second_pass()``), on the batches that training uses (``limit_train_batches`` holds, as
    do all hooks that prepare a batch, the module's or the DataModule's); several loaders are combined as in training.
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
            ConfigurationError: for a module without ``loss(batch)``, or data that can be gone through once only.
        """
        self._active = self.enabled and not getattr(trainer, "fast_dev_run", False) and _ends_an_epoch(trainer)
        if not self._active:
            return
        if not callable(getattr(pl_module, "loss", None)):
            raise ConfigurationError(
                f"EpochTrainLoss needs a method loss(batch) of {type(pl_module).__name__}: give it one, or switch the "
                "callback off (--epoch_train_loss.enabled false)"
            )
        _refuse_data_of_one_pass(trainer)
        if trainer.global_step == 0:
            self._measure(trainer, pl_module, epoch=0)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure."""
        if self._active:
            self._measure(trainer, pl_module, epoch=trainer.current_epoch + 1)

    def _measure(self, trainer: Trainer, module: LightningModule, epoch: int) -> None:
        total, count = torch.zeros((), device=module.device), 0
        with undisturbed(module, training=True):
            for batch in _batches(trainer):
                on_device = prepared_batch(trainer, module, batch)
                with trainer.precision_plugin.forward_context():
                    loss: Tensor = module.loss(on_device)  # type: ignore[operator]
                size = _batch_size(on_device)
                total += size * loss.float()
                count += size
        summed, images = trainer.strategy.reduce(torch.stack([total, total.new_tensor(count)]), reduce_op="sum")
        log_now(trainer, {"epoch_train_loss": float(summed / images)}, trainer.global_step, also={"epoch": epoch})


def _ends_an_epoch(trainer: Trainer) -> bool:
    """Tell whether the run is long enough for an epoch; warn where that cannot be known."""
    if trainer.max_steps < 0:
        return True
    if math.isinf(trainer.num_training_batches):
        rank_zero_warn(
            "EpochTrainLoss logs nothing: the training data have no length, so that nobody knows whether an epoch ends "
            f"before max_steps={trainer.max_steps}; set --trainer.limit_train_batches to a number, or end the run by "
            "max_epochs"
        )
        return False
    return trainer.max_steps >= trainer.num_training_batches / trainer.accumulate_grad_batches


def _refuse_data_of_one_pass(trainer: Trainer) -> None:
    """Refuse data that a measurement would take away from training."""
    for loader in training_loaders(trainer).flattened:
        source = getattr(loader, "dataset", loader)
        if isinstance(loader, Iterator) or isinstance(source, Iterator):
            raise ConfigurationError(
                f"EpochTrainLoss goes through the training data a second time, and {type(source).__name__} can be gone "
                "through once only: give data that can be iterated again, or switch the callback off "
                "(--epoch_train_loss.enabled false)"
            )


def _batches(trainer: Trainer) -> Iterator[Any]:
    """Yield the batches of one epoch again."""
    limit = None if math.isinf(trainer.num_training_batches) else int(trainer.num_training_batches)
    again = getattr(trainer.train_dataloader, "second_pass", None)
    if callable(again):
        yield from islice(again(), limit)
        return
    for batch, *_ in islice(training_loaders(trainer), limit):
        yield batch


def _batch_size(batch: Any) -> int:
    """Return the length of the batch's first tensor that has one; batches without count alike."""
    sizes: list[int] = []
    apply_to_collection(batch, Tensor, lambda tensor: sizes.append(len(tensor)) if tensor.ndim else None)
    return sizes[0] if sizes else 1
