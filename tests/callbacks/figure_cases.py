"""Modules that draw, and what two ranks do with them; called in both processes."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from pytorch_lightning import LightningModule
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn

from laaf_lightning.callbacks import FigureCallback
from laaf_lightning.data.points.repeated_batch import RepeatedBatch
from tests.ranks import two_rank_trainer


class Square:
    """A drawable of two plain figures."""

    def figures(self) -> dict[str, Figure]:
        return {name: Figure(figsize=(0.4, 0.2), dpi=100, facecolor=name) for name in ("red", "blue")}


def drawing_module(base: Any = LightningModule) -> Any:
    """Make a small module of either Lightning package that draws and remembers how it was asked."""

    class Drawing(base):  # type: ignore[misc]  # the base is a parameter
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
            self.extra_dropout = nn.Dropout(0.5)
            self.asked: list[tuple[int, bool, bool]] = []

        def on_train_start(self) -> None:
            self.network[1].eval()  # as a frozen part is: it must stay as it is

        def training_step(self, batch: Tensor) -> Tensor:
            loss: Tensor = self.extra_dropout(self.network(batch) - batch.sum(dim=1, keepdim=True)).square().mean()
            return loss

        def validation_step(self, batch: Tensor) -> None:
            pass

        def test_step(self, batch: Tensor) -> None:
            pass

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.01)

        def train_dataloader(self) -> RepeatedBatch[Tensor]:
            return RepeatedBatch(torch.ones(4, 2), 6)

        def val_dataloader(self) -> RepeatedBatch[Tensor]:
            return RepeatedBatch(torch.ones(4, 2), 1)

        def test_dataloader(self) -> RepeatedBatch[Tensor]:
            return RepeatedBatch(torch.ones(4, 2), 1)

        def figure_data(self) -> dict[str, Square]:
            torch.rand(3)
            self.asked.append((self.trainer.global_step, any(m.training for m in self.modules()), _records()))
            return {"square": Square()}

    return Drawing()


def _records() -> bool:
    weight = torch.ones((), requires_grad=True)
    return (2 * weight).requires_grad


def files_of_two_ranks() -> dict[str, Any]:
    """Fit on both ranks into one folder; report what is there and how often each rank was asked."""
    folder = Path(tempfile.gettempdir()) / f"figures-of-two-ranks-{os.environ['MASTER_PORT']}"
    logger = TensorBoardLogger(folder, name="run", version=0)
    model = drawing_module()
    trainer = two_rank_trainer(max_epochs=2, logger=logger, callbacks=[FigureCallback()], log_every_n_steps=1)
    trainer.fit(model)
    trainer.strategy.barrier()
    files = sorted(path.name for path in (folder / "run" / "version_0").rglob("*.png"))
    trainer.strategy.barrier()
    if trainer.is_global_zero:
        shutil.rmtree(folder)
    return {"files": files, "asked": len(model.asked)}
