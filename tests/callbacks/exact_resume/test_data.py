"""Kinds of data: streams, loaders and samplers with states of their own, several loaders, images."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, WeightedRandomSampler

import laaf_lightning as laaf
from laaf_lightning import ConfigurationError
from laaf_lightning.models import LeNet
from tests.callbacks.exact_resume.runs import Net, Noisy, differences, loader, run
from tests.callbacks.exact_resume.test_exact_resume import wrong
from tests.trainers import quiet_trainer

pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'train_dataloader' does not:UserWarning",
    "ignore:Your `IterableDataset`",
    "ignore:The number of training batches",
    "ignore:Checkpoint directory",
)


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from ((x, x.sin()) for x in torch.linspace(-1, 1, 20)[:, None])


class StatefulLoader:
    """Knows by itself where it is, and draws its order from a generator of its own."""

    def __init__(self) -> None:
        self.generator = random.Random(0)
        self.order: list[int] = []

    def state_dict(self) -> dict[str, Any]:
        return {"order": [*self.order], "draws": str(self.generator.getstate())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        import ast

        self.order = [*state["order"]]
        self.generator.setstate(ast.literal_eval(state["draws"]))

    def __len__(self) -> int:
        return 5

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if not self.order:
            self.order = self.generator.sample(range(5), 5)
        while self.order:
            x = torch.full((4, 1), float(self.order.pop()))
            yield x, x.sin()


class OwnNoise(Noisy):
    """Draws from generators that it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.old = np.random.default_rng(1), random.Random(2), np.random.RandomState(3)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        noise = self.one.random() + self.other.random() + self.old.rand()
        return self.x[index] + 0.1 * torch.tensor([noise]).float(), self.x[index].sin()


class TwoLoaders(Net):
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return super().training_step(batch["a"], batch_idx) + super_loss(self, batch["b"])


def super_loss(module: Net, batch: Any) -> Tensor:
    return torch.nn.functional.mse_loss(module.net(batch[0]), batch[1])


KINDS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "a loader with a state": (Net, StatefulLoader),
    "a data set with generators": (Net, lambda: loader(OwnNoise())),
    "a sampler with weights": (Net, lambda: loader(shuffle=False, sampler=WeightedRandomSampler([1.0] * 20, 20))),
    "a sampler with a generator": (
        Net,
        lambda: loader(shuffle=False, sampler=RandomSampler(Noisy(), generator=torch.Generator().manual_seed(1))),
    ),
    "two loaders": (TwoLoaders, lambda: {"a": loader(), "b": loader()}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_with(kind: str, tmp_path: Path) -> None:
    module, data = KINDS[kind]
    assert not wrong((module, data, {}), tmp_path, slice([*KINDS].index(kind), None, 5))


def test_a_stream_goes_on_between_epochs_only(tmp_path: Path) -> None:
    data = partial(DataLoader, Stream(), batch_size=4)
    whole, _ = run(Net, data, folder=tmp_path)
    resumed, _ = run(Net, data, checkpoint=next(tmp_path.glob("*-on_train_epoch_end.ckpt")))
    assert not [*differences(whole.values, resumed.values)]
    with pytest.raises(
        ConfigurationError, match=r"Stream is a stream, .* after batch 2 .*--exact_resume.enabled false"
    ):
        run(Net, data, checkpoint=sorted(tmp_path.glob("*-on_train_batch_end.ckpt"))[1])


def test_a_loader_that_was_begun_again(tmp_path: Path) -> None:
    data = lambda: {"a": loader(), "b": loader(Noisy(8))}  # noqa: E731
    run(TwoLoaders, data, folder=tmp_path)
    second, third = sorted(tmp_path.glob("*-on_train_batch_end.ckpt"))[1:3]
    run(TwoLoaders, data, checkpoint=second)
    with pytest.raises(ConfigurationError, match="a loader of 2 batches was begun again beside a longer one"):
        run(TwoLoaders, data, checkpoint=third)


def images(**settings: Any) -> laaf.SemeionDataModule:
    return laaf.SemeionDataModule(augment=True, train_size=200, val_split=0.2, **settings)


def classifier() -> laaf.ImageClassifier:
    return laaf.ImageClassifier(
        LeNet(hidden=16, image_size=16, dropout=0.5),
        num_classes=10,
        in_channels=1,
        image_size=16,
        optimizer=partial(torch.optim.SGD, lr=0.01, momentum=0.9),
    )


def extras() -> list[Any]:
    return [laaf.SlopeRecovery(laaf.OffAfter(steps=5)), laaf.EpochTrainLoss()]


@pytest.mark.long
@pytest.mark.parametrize(
    ("settings", "number"),
    [
        ({}, 0),
        ({"precision": "bf16-mixed", "accumulate_grad_batches": 2}, 0),
        pytest.param({}, 2, marks=pytest.mark.slow),
    ],
)
def test_resumed_with_images(settings: dict[str, Any], number: int, tmp_path: Path) -> None:
    job = (classifier, partial(images, num_workers=number), {"callbacks": extras, **settings})
    assert not wrong(job, tmp_path, slice(4, None, 6))


def pinn() -> laaf.PINN:
    def optimizer(parameters: Any) -> laaf.SequentialOptimizer:
        return laaf.SequentialOptimizer(
            parameters, [partial(torch.optim.Adam, lr=0.01), partial(laaf.SelfScaledBroyden, max_iter=2)], steps=[4]
        )

    return laaf.PINN(laaf.Burgers(), width=6, depth=2, scope="layer", n=10, optimizer=optimizer)


def points() -> laaf.CollocationDataModule:
    return laaf.CollocationDataModule(laaf.Burgers(), 60, 10, steps_per_epoch=3, batch_size=20)


def resampling() -> list[Any]:
    rad = laaf.ResampleCollocation(every_n_steps=2, method="rad", until_step=4)
    return [laaf.SlopeRecovery(laaf.OffAfter(steps=5)), rad, laaf.AdaptiveLossWeights(every_n_steps=2)]


def regressor() -> laaf.FunctionRegressor:
    return laaf.FunctionRegressor(width=6, depth=2, scope="neuron", n=10)


def samples() -> laaf.DiscontinuousFunctionDataModule:
    return laaf.DiscontinuousFunctionDataModule(num_points=20, num_test_points=20, steps_per_epoch=4)


@pytest.mark.parametrize(
    "job",
    [
        (pinn, points, {"precision": "64-true", "callbacks": resampling, "max_epochs": 2}),
        (regressor, samples, {"callbacks": extras, "accumulate_grad_batches": 2}),
    ],
    ids=["PINN", "regressor"],
)
def test_resumed_with_points(job: Any, tmp_path: Path) -> None:
    assert not wrong(job, tmp_path, slice(4, None, 5))


def test_minibatches_of_points_go_on_without_the_callback_too(tmp_path: Path) -> None:
    def fitted(checkpoint: Path | None) -> laaf.PINN:
        torch.manual_seed(0)
        saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=2, save_top_k=-1, enable_version_counter=False)
        module = laaf.PINN(laaf.Burgers(), width=6, depth=2, scope="layer", n=10)
        trainer = quiet_trainer(saves, max_epochs=2, enable_checkpointing=True)
        trainer.fit(module, points(), ckpt_path=checkpoint, weights_only=True)
        return module

    whole, resumed = fitted(None).state_dict(), fitted(tmp_path / "step=2.ckpt").state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
