from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from laaf_lightning.callbacks.epoch_train_loss import EpochTrainLoss
from laaf_lightning.errors import ConfigurationError
from tests.trainers import quiet_trainer

GENERATOR = torch.Generator().manual_seed(0)
X, Y = torch.randn(22, 3, generator=GENERATOR), torch.randint(0, 2, (22,), generator=GENERATOR)


class Classifier(LightningModule):
    """Has what a second pass could disturb: dropout, batch norm; keeps a copy of itself after every epoch."""

    def __init__(self, dropout: float = 0.5) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.network = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 2)
        )
        self.kept: list[nn.Module] = []

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self.loss(batch)

    def on_train_epoch_start(self) -> None:
        self.kept.append(copy.deepcopy(self.network))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def loader(shuffle: bool = False) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(TensorDataset(X, Y), batch_size=8, shuffle=shuffle)


class Recorder(Logger):
    """Keeps what is logged: epoch to loss."""

    name, version = "recorder", 0

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[int, float] = {}

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if "epoch_train_loss" in metrics:
            self.values[int(metrics["epoch"])] = metrics["epoch_train_loss"]

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Not needed."""


def trainer_with(callback: EpochTrainLoss | None, **settings: Any) -> tuple[Trainer, Recorder]:
    recorder = Recorder()
    callbacks = [] if callback is None else [callback]
    return quiet_trainer(*callbacks, **{"max_epochs": 3, "logger": recorder, **settings}), recorder


def fitted(model: LightningModule, callback: EpochTrainLoss | None, *, shuffle: bool = False, **settings: Any) -> Any:
    trainer, recorder = trainer_with(callback, **settings)
    trainer.fit(model, loader(shuffle))
    return recorder.values


def by_hand(network: nn.Module, batches: int = 3) -> float:
    """The mean over images, batch statistics as in training, every image once."""
    with torch.no_grad():
        network = copy.deepcopy(network).train()
        parts = [(network(x), y) for x, y in list(zip(X.split(8), Y.split(8), strict=True))[:batches]]
        total = sum(nn.functional.cross_entropy(logits, y, reduction="sum").item() for logits, y in parts)
    return total / sum(len(y) for _, y in parts)


@pytest.mark.parametrize("batches", [2, 3])
def test_logs_the_mean_over_the_batches_of_training_before_and_after_every_epoch(batches: int) -> None:
    model = Classifier(dropout=0.0)
    values = fitted(model, EpochTrainLoss(), limit_train_batches=batches)
    assert list(values) == [0, 1, 2, 3]
    networks = [*model.kept, model.network]
    for epoch, network in enumerate(networks):
        assert values[epoch] == pytest.approx(by_hand(network, batches), rel=1e-5)


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_batches_have_the_precision_of_training(precision: str) -> None:
    model = Classifier(dropout=0.0)
    values = fitted(model, EpochTrainLoss(), precision=precision, max_epochs=1)
    assert values[0] == pytest.approx(by_hand(model.kept[0].float()), rel=1e-6 if precision == "64-true" else 2e-2)


class Swapped(Classifier):
    """Changes its batches before they are moved."""

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch[0], 1 - batch[1]


def test_the_modules_own_hook_prepares_the_batch() -> None:
    plain, swapped = Classifier(dropout=0.0), Swapped(dropout=0.0)
    first = fitted(plain, EpochTrainLoss(), max_epochs=1)[0]
    assert abs(fitted(swapped, EpochTrainLoss(), max_epochs=1)[0] - first) > 1e-3


def test_training_is_bit_for_bit_the_same_with_and_without() -> None:
    states: list[tuple[dict[str, Any], Tensor]] = []
    for callback in (None, EpochTrainLoss(enabled=False), EpochTrainLoss()):
        model = Classifier()
        fitted(model, callback, shuffle=True)
        states.append((model.state_dict(), torch.rand(3)))
    (expected, drawn), *others = states
    for state, later in others:
        assert torch.equal(later, drawn)
        assert all(torch.equal(state[name], value) for name, value in expected.items())
    assert expected["network.1.num_batches_tracked"] == 9


def test_dropout_is_on_as_in_training() -> None:
    model = Classifier(dropout=0.9)
    values = fitted(model, EpochTrainLoss(), max_epochs=1)
    assert abs(values[0] - by_hand(copy.deepcopy(model.kept[0]).apply(without_dropout))) > 0.01


def without_dropout(module: nn.Module) -> None:
    if isinstance(module, nn.Dropout):
        module.p = 0.0


@pytest.mark.parametrize("settings", [{"fast_dev_run": True}, {"max_steps": 2, "max_epochs": -1}])
def test_skipped_where_no_epoch_is_trained(settings: dict[str, Any]) -> None:
    trainer, recorder = trainer_with(EpochTrainLoss(), **settings)
    trainer.fit(Classifier(), loader())
    assert recorder.values == {}
    assert "epoch_train_loss" not in trainer.callback_metrics


def test_resumed_run_goes_on_without_an_epoch_0_of_its_own(tmp_path: Path) -> None:
    first, _ = trainer_with(EpochTrainLoss(), max_epochs=1)
    first.fit(Classifier(), loader())
    first.save_checkpoint(tmp_path / "first.ckpt")
    second, recorder = trainer_with(EpochTrainLoss(), max_epochs=2)
    second.fit(Classifier(), loader(), ckpt_path=str(tmp_path / "first.ckpt"))
    assert list(recorder.values) == [2]


class Passes:
    """A loader whose second pass is other data."""

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Any:
        return iter([(torch.zeros(8, 3), torch.zeros(8, dtype=torch.int64))] * 2)

    def second_pass(self) -> Any:
        return iter([(X[:8], Y[:8])] * 2)


def test_second_pass_of_a_loader_is_used() -> None:
    model = Classifier(dropout=0.0)
    trainer, recorder = trainer_with(EpochTrainLoss(), max_epochs=1)
    trainer.fit(model, Passes())
    assert recorder.values[0] == pytest.approx(by_hand(model.kept[0], batches=1), rel=1e-5)


class NoLoss(Classifier):
    loss = None  # type: ignore[assignment]  # as in a module of another project

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])


def test_module_without_a_loss_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigurationError, match=r"needs a method loss\(batch\) of NoLoss: .*enabled false"):
        fitted(NoLoss(), EpochTrainLoss())
    fitted(NoLoss(), EpochTrainLoss(enabled=False))
