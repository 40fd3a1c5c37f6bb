"""Runs that are saved in every hook, resumed from each file, and compared with the run that was never cut off."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchmetrics import MeanMetric

from laaf_lightning import ExactResume

QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "log_every_n_steps": 1,
}


class Memory(Logger):
    """Remembers (step, name, value)."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[int | None, str, float]] = []

    @property
    def name(self) -> str:
        return "memory"

    @property
    def version(self) -> int:
        return 0

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.records += [(step, name, value) for name, value in metrics.items()]


class Noisy(Dataset[tuple[Tensor, Tensor]]):
    """Samples with noise from all three global generators, as augmentations draw it."""

    def __init__(self, count: int = 20) -> None:
        self.x = torch.linspace(-1, 1, count)[:, None]

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        noise = torch.rand(1) + random.random() + np.random.rand()  # noqa: NPY002  # as in many data sets
        return self.x[index] + 0.1 * noise.float(), self.x[index].sin()


class Net(pl.LightningModule):
    """Dropout, metrics gathered over the epoch, and a validation that draws."""

    def __init__(self, scheduler: str = "none") -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 1))
        self.seen = MeanMetric()
        self.scheduler = scheduler

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(self.net(x), y)
        self.seen.update(loss.detach())
        self.log("loss", loss, on_step=True, on_epoch=True)
        self.log("largest", loss, on_step=False, on_epoch=True, reduce_fx="max")
        self.log("seen", self.seen, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        x, y = batch
        noise = torch.rand_like(x)
        self.log("val", nn.functional.mse_loss(self.net(x + 0.1 * noise), y))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=0.01)
        if self.scheduler == "step":
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.7)]
        if self.scheduler == "plateau":
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=1.0)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val"}}
        return optimizer


class SaveEverywhere(Checkpoint):
    """Saves in every hook of training and validation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records_at: list[int] = []

    def save(self, trainer: pl.Trainer, hook: str) -> None:
        if not trainer.sanity_checking:
            trainer.save_checkpoint(self.folder / f"{len(self.records_at):03d}-{hook}.ckpt")
            self.records_at.append(len(trainer.logger.records))  # type: ignore[union-attr]


def _saving(hook: str) -> Callable[..., None]:
    def save(self: SaveEverywhere, trainer: pl.Trainer, *_: Any) -> None:
        self.save(trainer, hook)

    return save


HOOKS = (
    "on_train_epoch_start", "on_train_batch_start", "on_train_batch_end", "on_validation_start",
    "on_validation_batch_end", "on_validation_end", "on_train_epoch_end", "on_train_end",
)  # fmt: skip
for _hook in HOOKS:
    setattr(SaveEverywhere, _hook, _saving(_hook))


def loader(data: Dataset[Any] | None = None, **settings: Any) -> DataLoader[Any]:
    return DataLoader(data or Noisy(), **{"batch_size": 4, "shuffle": True, **settings})


def validation() -> DataLoader[Any]:
    x = torch.linspace(-1, 1, 6)[:, None]
    return DataLoader(TensorDataset(x, x.sin()), batch_size=3)


class Outcome:
    """What a run has ended with."""

    def __init__(self, trainer: pl.Trainer, memory: Memory) -> None:
        module = trainer.lightning_module
        self.records = memory.records
        self.values: dict[str, Any] = {
            "weights": {name: value.clone() for name, value in module.state_dict().items()},
            "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
            "schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
            "random": (torch.rand(3), random.random(), float(np.random.rand())),  # noqa: NPY002
            "steps": (trainer.global_step, trainer.current_epoch),
        }


def run(
    module: Callable[[], pl.LightningModule],
    data: Callable[[], Any],
    checkpoint: Path | None = None,
    folder: Path | None = None,
    seed: int = 0,
    **settings: Any,
) -> tuple[Outcome, list[int]]:
    """Fit from the start, saving into `folder`, or from `checkpoint`; return the end and the records at each save."""
    pl.seed_everything(seed, verbose=False)
    memory = Memory()
    saves = [] if folder is None else [SaveEverywhere(folder)]
    given = settings.pop("callbacks", list)()
    trainer = pl.Trainer(
        **{**QUIET, "max_epochs": 3, **settings},
        callbacks=[*given, ExactResume(), *saves],
        logger=memory,
        enable_checkpointing=folder is not None,
    )
    model, loaders = module(), data()
    fit: dict[str, Any] = {"train_dataloaders": loaders, "val_dataloaders": validation()}
    if isinstance(loaders, pl.LightningDataModule):
        fit = {"datamodule": loaders}
    trainer.fit(model, ckpt_path=checkpoint, weights_only=True, **fit)
    return Outcome(trainer, memory), saves[0].records_at if saves else []


def differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Name what is not equal bit for bit."""
    if isinstance(one, dict):
        if set(one) != set(other):
            yield f"{where}: {set(one) ^ set(other)}"
            return
        for key in one:
            yield from differences(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        if len(one) != len(other):
            yield f"{where}: {len(one)} and {len(other)}"
            return
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{where}[{number}]")
    elif isinstance(one, Tensor):
        if not torch.equal(one, other):
            yield f"{where}: {one} and {other}"
    elif one != other and str(one) != str(other):  # NaN is NaN
        yield f"{where}: {one} and {other}"
