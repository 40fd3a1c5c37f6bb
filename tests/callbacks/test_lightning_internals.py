from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

from laaf_lightning.callbacks.lightning_internals import (
    batch_on_device,
    prepared_batch,
    saves_weights_now,
    training_data,
    training_loaders,
)
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


def test_the_data_of_a_trainer_is_there_before_its_loaders() -> None:
    class AsksEarly(Callback):
        def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
            self.data = training_data(trainer)
            self.batch = batch_on_device(trainer, pl_module, next(iter(self.data)), torch.device("cpu"))

    asks, points = AsksEarly(), torch.rand(6, 1)
    loader = DataLoader(TensorDataset(points, points), batch_size=4)
    quiet_trainer(max_epochs=1, precision="64-true", limit_val_batches=0, callbacks=[asks]).fit(
        small_regressor(), loader, loader
    )
    assert asks.data is loader
    assert torch.equal(asks.batch[0], points[:4])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"save_weights_only": True, "every_n_train_steps": 2}, [False, True, False]),
        ({"save_weights_only": True, "train_time_interval": timedelta(hours=1)}, [True, True, True]),
        ({"save_weights_only": True}, [False, False, False]),
        ({"every_n_train_steps": 2}, [False, False, False]),
    ],
)
def test_weights_that_are_saved_alone_are_announced(settings: Any, expected: list[bool], tmp_path: Path) -> None:
    told: list[bool] = []

    class Notes(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            told.append(saves_weights_now(trainer))

    points = torch.rand(6, 1)
    saves = ModelCheckpoint(tmp_path, **settings)
    trainer = quiet_trainer(Notes(), saves, max_epochs=1, limit_val_batches=0, enable_checkpointing=True)
    loader = DataLoader(TensorDataset(points, points), batch_size=2)
    trainer.fit(small_regressor(), loader, loader)
    assert told == expected
