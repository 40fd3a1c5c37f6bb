"""The data of other projects: hooks of a DataModule, several loaders, loaders without length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities import CombinedLoader
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from laaf_lightning.callbacks.epoch_train_loss import EpochTrainLoss
from laaf_lightning.errors import ConfigurationError
from tests.callbacks.test_epoch_train_loss import Classifier, X, Y, loader, trainer_with


class Seen(Classifier):
    """A loss that is the mean of what it gets, and notes what training gets."""

    def __init__(self) -> None:
        super().__init__(dropout=0.0)
        self.trained_on: list[float] = []

    def loss(self, batch: Any) -> Tensor:
        values = torch.cat([torch.as_tensor(part).flatten() for part in _tensors(batch)])
        weight: Tensor = next(self.network.parameters())
        return values.mean() + 0 * weight.sum()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.trained_on.append(self.loss(batch).item())
        return self.loss(batch)


def _tensors(batch: Any) -> Iterator[Tensor]:
    for part in batch.values() if isinstance(batch, dict) else batch if isinstance(batch, (list, tuple)) else [batch]:
        if isinstance(part, Tensor):
            yield part
        elif part is not None:
            yield from _tensors(part)


class ByHook(LightningDataModule):
    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return [100 * part for part in batch]

    def train_dataloader(self) -> Any:
        return DataLoader(TensorDataset(torch.ones(4, 1)), batch_size=2)


class ByLaterHook(ByHook):
    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return [100 * part for part in batch]


@pytest.mark.parametrize("kind", [ByHook, ByLaterHook])
def test_the_datamodules_hooks_prepare_the_batch_as_in_training(kind: type[LightningDataModule]) -> None:
    model = Seen()
    trainer, recorder = trainer_with(EpochTrainLoss(), max_epochs=1)
    trainer.fit(model, datamodule=kind())
    assert set(model.trained_on) == {100.0}
    assert set(recorder.values.values()) == {100.0}


class Stream(IterableDataset[Tensor]):
    """Has no length, and can be gone through again."""

    def __iter__(self) -> Iterator[Tensor]:
        return iter(torch.arange(6.0)[:, None])


class Once(IterableDataset[Tensor]):
    """Is gone through once only."""

    def __init__(self) -> None:
        self.rows = iter(torch.arange(6.0)[:, None])

    def __iter__(self) -> Once:
        return self

    def __next__(self) -> Tensor:
        row: Tensor = next(self.rows)
        return row


def test_data_without_a_length_are_gone_through_to_their_end() -> None:
    model = Seen()
    trainer, recorder = trainer_with(EpochTrainLoss(), max_epochs=1)
    trainer.fit(model, DataLoader(Stream(), batch_size=2))
    assert model.trained_on == [0.5, 2.5, 4.5]
    assert recorder.values == {0: 2.5, 1: 2.5}


def test_a_limit_holds_for_data_without_a_length() -> None:
    model = Seen()
    trainer, recorder = trainer_with(EpochTrainLoss(), max_epochs=1, limit_train_batches=2)
    trainer.fit(model, DataLoader(Stream(), batch_size=2))
    assert model.trained_on == [0.5, 2.5]
    assert recorder.values == {0: 1.5, 1: 1.5}


def test_where_nobody_knows_whether_an_epoch_ends_nothing_is_logged_with_a_warning() -> None:
    trainer, recorder = trainer_with(EpochTrainLoss(), max_epochs=-1, max_steps=2)
    with pytest.warns(UserWarning, match=r"EpochTrainLoss logs nothing: .* no length.*max_steps=2; set --tra"):
        trainer.fit(Seen(), DataLoader(Stream(), batch_size=2))
    assert recorder.values == {}


@pytest.mark.parametrize("data", [DataLoader(Once(), batch_size=2), iter([X, X])], ids=["dataset", "iterator"])
def test_data_that_can_be_gone_through_once_only_are_refused_before_any_is_used(data: Any) -> None:
    model = Seen()
    trainer, _ = trainer_with(EpochTrainLoss(), max_epochs=1)
    with pytest.raises(ConfigurationError, match=r"can be gone through once only: .*epoch_train_loss.enabled false"):
        trainer.fit(model, data)
    assert len(list(data)) >= 1  # Lightning itself fetches one ahead
    assert model.trained_on == []


@pytest.mark.parametrize("mode", ["max_size_cycle", "min_size", "max_size", None])
@pytest.mark.parametrize("kind", [dict, list])
def test_several_loaders_are_combined_as_in_training(kind: type, mode: Any) -> None:
    long, short = (DataLoader(TensorDataset(torch.arange(n) + 1.0), batch_size=2) for n in (6, 4))
    loaders: Any = {"long": long, "short": short} if kind is dict else [long, short]
    model = Seen()
    trainer, recorder = trainer_with(EpochTrainLoss(), max_epochs=1)
    trainer.fit(model, loaders if mode is None else CombinedLoader(loaders, mode))
    assert len(model.trained_on) > 1
    assert recorder.values[0] == pytest.approx(sum(model.trained_on) / len(model.trained_on))


def test_batches_of_numbers_count_alike() -> None:
    class Numbers:
        def __len__(self) -> int:
            return 2

        def __iter__(self) -> Iterator[Tensor]:
            return iter(torch.tensor([1.0, 4.0]))

    trainer, recorder = trainer_with(EpochTrainLoss(), max_epochs=1)
    trainer.fit(Seen(), Numbers())
    assert recorder.values[0] == 2.5


def test_training_iterators_stay_where_they_are() -> None:
    expected, model = Seen(), Seen()
    for seen, callback in ((expected, None), (model, EpochTrainLoss())):
        trainer, _ = trainer_with(callback, max_epochs=2)
        trainer.fit(seen, [loader(), loader()])
    assert model.trained_on == expected.trained_on
    assert len(Y) == len(X)
