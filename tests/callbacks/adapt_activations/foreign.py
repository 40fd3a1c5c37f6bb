"""LightningModules and data of somebody who knows nothing of the package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from tests.trainers import quiet_trainer

Batch = tuple[Tensor, Tensor]


class Perceptron(pl.LightningModule):
    """A module, two functions, dropout, weight decay and a schedule that names learning rates."""

    def __init__(self, width: int = 6, schedule: bool = True) -> None:
        super().__init__()
        self.save_hyperparameters("width", "schedule")
        self.first, self.second, self.last = nn.Linear(2, width), nn.Linear(width, width), nn.Linear(width, 1)
        self.activation = nn.Tanh()
        self.dropout = nn.Dropout(0.1)
        self.schedule = schedule

    def forward(self, x: Tensor) -> Tensor:
        h = F.gelu(self.second(self.dropout(self.activation(self.first(x)))), approximate="tanh")
        output: Tensor = self.last(h).sigmoid()
        return output

    def loss(self, batch: Batch) -> Tensor:
        return F.mse_loss(self(batch[0]), batch[1])

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        return self.loss(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("test/loss", self.loss(batch))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01, weight_decay=0.5)
        if not self.schedule:
            return optimizer
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=100)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Validated(Perceptron):
    """Validated too."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("val/loss", self.loss(batch))


class Convolutions(pl.LightningModule):
    """Functions between convolutions; the network is built in ``configure_model``."""

    def __init__(self) -> None:
        super().__init__()
        self.network: nn.Module | None = None

    def configure_model(self) -> None:
        if self.network is None:
            self.network = nn.ModuleList([nn.Conv2d(1, 3, 3), nn.Conv2d(3, 2, 3), nn.Linear(2, 2)])

    def forward(self, x: Tensor) -> Tensor:
        assert self.network is not None
        first, second, head = self.network.children()
        output: Tensor = head(torch.relu(second(F.relu(first(x)))).mean((2, 3)))
        return output

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])

    test_step = training_step

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1, weight_decay=0.5)


class Autoencoder(pl.LightningModule):
    """No forward: the training step calls the networks, and an activation itself."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
        self.decoder = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 2))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = F.mse_loss(self.decoder(self.encoder(batch[0])), batch[0])
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters())


class StepWithActivation(Autoencoder):
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return F.mse_loss(self.decoder(torch.tanh(self.encoder(batch[0]))), batch[0])


def regression() -> TensorDataset:
    x = torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, x.sum(1, keepdim=True).sin())


def images() -> TensorDataset:
    x = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, (x.mean((1, 2, 3)) > 0.5).long())


def loader(**settings: Any) -> DataLoader[Any]:
    return DataLoader(regression(), batch_size=8, **settings)


class Regression(pl.LightningDataModule):
    def train_dataloader(self) -> DataLoader[Any]:
        return loader(shuffle=True)

    def test_dataloader(self) -> DataLoader[Any]:
        return loader()


class ValidatedRegression(Regression):
    def val_dataloader(self) -> DataLoader[Any]:
        return loader()


class Images(pl.LightningDataModule):
    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(images(), batch_size=4, shuffle=True)

    def test_dataloader(self) -> DataLoader[Any]:
        return DataLoader(images(), batch_size=4)


class Augmented(Dataset[Batch]):
    """Draws from a generator of its own, and counts what it was asked for."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.asked = 0

    def __len__(self) -> int:
        return 16

    def __getitem__(self, place: int) -> Batch:
        self.asked += 1
        x = torch.tensor(self.random.random(2), dtype=torch.float32) + torch.rand(2) + place
        return x, x.sum(0, keepdim=True)


class Stream(IterableDataset[Batch]):
    """Goes on where it stopped."""

    def __init__(self) -> None:
        self.place = 0

    def __iter__(self) -> Iterator[Batch]:
        while self.place < 64:
            self.place += 1
            x = torch.full((2,), float(self.place)) + torch.rand(2)
            yield x, x.sum(0, keepdim=True)


def fit(
    module: pl.LightningModule, *callbacks: Any, data: Any = None, ckpt_path: Any = None, **settings: Any
) -> pl.Trainer:
    trainer = quiet_trainer(*callbacks, **{"max_epochs": 1, "limit_val_batches": 0, **settings})
    trainer.fit(module, Regression() if data is None else data, ckpt_path=ckpt_path)
    return trainer
