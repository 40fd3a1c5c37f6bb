from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

from laaf_lightning.callbacks.lightning_internals import prepared_batch, training_loaders
from tests.modules.small import small_regressor
from tests.trainers import quiet_trainer


class Asks(Callback):
    def __init__(self) -> None:
        self.batches: list[Any] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.batches = [prepared_batch(trainer, pl_module, batch) for batch, *_ in training_loaders(trainer)]


def test_lightning_has_what_is_asked_of_it_without_a_public_name() -> None:
    asks, points = Asks(), torch.rand(6, 1)
    trainer = quiet_trainer(max_epochs=1, precision="64-true", limit_val_batches=0, callbacks=[asks])
    loader = DataLoader(TensorDataset(points, points), batch_size=4)
    trainer.fit(small_regressor(), loader, loader)
    assert [len(batch[0]) for batch in asks.batches] == [4, 2]
    assert asks.batches[0][0].dtype == torch.float64
