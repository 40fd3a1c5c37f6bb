"""A LightningModule that knows nothing of slopes, and its data."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class ToneNetwork(pl.LightningModule):
    """Tells the pitch of a tone.

    Args:
        width: of the hidden layers.
        lr: learning rate.
    """

    def __init__(self, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.first, self.second, self.pitch = nn.Conv1d(1, width, 5), nn.Conv1d(width, width, 5), nn.Linear(width, 1)
        self.lr = lr

    def forward(self, tone: Tensor) -> Tensor:
        h = F.relu(self.second(torch.tanh(self.first(tone))))
        pitch: Tensor = self.pitch(h.mean(dim=2))
        return pitch

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = F.mse_loss(self(batch[0]), batch[1])
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val/error", F.l1_loss(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3)]


class Tones(pl.LightningDataModule):
    """Tones of 32 samples, with their pitch.

    Args:
        count: of tones.
    """

    def __init__(self, count: int = 24) -> None:
        super().__init__()
        pitch = torch.rand(count, 1, generator=torch.Generator().manual_seed(0))
        tones = torch.sin(torch.arange(32.0) * (0.1 + pitch)).unsqueeze(1)
        self.tones = TensorDataset(tones, pitch)

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.tones, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.tones, batch_size=8)
