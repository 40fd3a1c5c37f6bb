"""What modules, samplers, data sets, transforms and callbacks change by themselves is kept, too."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BaseFinetuning, GradientAccumulationScheduler, StochasticWeightAveraging
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, Sampler

from tests.callbacks.exact_resume.runs import Net, Noisy, loader, run, validation
from tests.callbacks.exact_resume.test_exact_resume import Job, wrong

pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'train_dataloader' does not:UserWarning",
    "ignore:It is recommended",
    "ignore:Your `IterableDataset`",
    "ignore:The ``compute`` method",
    "ignore:Checkpoint directory",
    "ignore:The provided params to be frozen",
    "ignore:The number of training batches",
)


class Gathers(Net):
    """Gathers by hand, counts, and has generators and hooks of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[Tensor] = []
        self.kept: Any = defaultdict(list)
        self.recent: deque[float] = deque(maxlen=3)
        self.weight = 1.0
        self.noise, self.other = np.random.default_rng(1), torch.Generator().manual_seed(2)
        self.average = nn.Parameter(torch.zeros(1), requires_grad=False)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.weight *= 0.9
        noise = float(self.noise.random()) + torch.rand(1, generator=self.other)
        loss = self.weight * super().training_step((batch[0] + 0.1 * noise, batch[1]), batch_idx)
        self.losses.append(loss.detach())
        self.kept["losses"].append(float(loss.detach()))
        self.recent.append(float(loss.detach()))
        if batch_idx % 2:
            self.log("odd", loss, on_step=True, on_epoch=True)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.average.data.mul_(0.5).add_(next(self.net.parameters()).detach().mean())
        self.log("late", float(batch_idx) ** 2, on_step=True, on_epoch=True)

    def on_train_epoch_end(self) -> None:
        self.log("by hand", torch.stack(self.losses).mean() + sum(self.kept["losses"]) + sum(self.recent))
        self.losses.clear()
        self.kept.clear()


class SeveralEvaluations(Net):
    def configure_optimizers(self) -> Any:
        return torch.optim.LBFGS(self.parameters(), 0.1, max_iter=3)


class TellsSteps(Net):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.01)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=1.0)
        scheduler = {"scheduler": plateau, "interval": "step", "frequency": 2, "monitor": "loss_step"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


class AddsUpByHand(Net):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
        optimizer: Any = self.optimizers()
        self.manual_backward(super().training_step(batch, batch_idx))
        if batch_idx % 2:
            optimizer.step()
            optimizer.zero_grad()


class CountsEpochs(Sampler[int]):
    epoch = 0

    def __init__(self) -> None:
        self.epoch = 0

    def __len__(self) -> int:
        return 20

    def __iter__(self) -> Iterator[int]:
        self.epoch += 1
        yield from torch.randperm(20, generator=torch.Generator().manual_seed(self.epoch)).tolist()


class Jitter:
    def __init__(self) -> None:
        self.generator = random.Random(1)

    def __call__(self, x: Tensor) -> Tensor:
        return x + self.generator.random()


class Transformed(Noisy):
    def __init__(self, count: int = 20) -> None:
        super().__init__(count)
        self.transforms = [Jitter()]

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = super().__getitem__(index)
        return self.transforms[0](x), y


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from ((torch.rand(1), torch.rand(1)) for _ in range(20))


def collating(items: Any, generator: np.random.Generator) -> tuple[Tensor, ...]:
    x, y = (torch.stack(each) for each in zip(*items, strict=True))
    return x + float(generator.random()), y


class Unfreezes(BaseFinetuning):
    def freeze_before_training(self, pl_module: Any) -> None:
        self.freeze(pl_module.net[0])

    def finetune_function(self, pl_module: Any, epoch: int, optimizer: Any) -> None:
        if epoch == 1:
            self.unfreeze_and_add_param_group(pl_module.net[0], optimizer, 0.01)


class MadeAnew(pl.LightningDataModule):
    """Draws its data as it makes its loaders, and another number of them in every other epoch."""

    def train_dataloader(self) -> Any:
        assert self.trainer is not None
        data = Noisy(20 if self.trainer.current_epoch % 4 < 2 else 16)
        data.x = data.x + torch.rand(1)
        return loader(data)

    def val_dataloader(self) -> Any:
        return validation()


JOBS: dict[str, Job] = {
    "module": (Gathers, loader, {}),
    "module, validation within epochs": (Gathers, loader, {"val_check_interval": 2}),
    "several evaluations a step": (SeveralEvaluations, loader, {}),
    "a scheduler told at steps": (TellsSteps, loader, {"val_check_interval": 2}),
    "gradients added up by hand": (AddsUpByHand, loader, {}),
    "sampler": (Net, lambda: loader(shuffle=False, sampler=CountsEpochs()), {}),
    "transforms of several sets": (Net, lambda: loader(ConcatDataset([Transformed(), Noisy(4)])), {}),
    "collating": (Net, lambda: loader(collate_fn=partial(collating, generator=np.random.default_rng(3))), {}),
    "accumulation by epoch": (Net, loader, {"callbacks": lambda: [GradientAccumulationScheduler({0: 1, 1: 2})]}),
    "finetuning": (Net, loader, {"callbacks": lambda: [Unfreezes()]}),
    "doubles": (Net, loader, {"precision": "64-true"}),
    "loaders made anew": (Net, MadeAnew, {"reload_dataloaders_every_n_epochs": 1}),
    "loaders made anew, seldom": (Net, MadeAnew, {"reload_dataloaders_every_n_epochs": 2, "max_epochs": 5}),
}


@pytest.mark.parametrize("name", JOBS)
def test_own_values_are_kept(name: str, tmp_path: Path) -> None:
    assert not wrong(JOBS[name], tmp_path, slice([*JOBS].index(name) % 3, None, 6))


def test_stream_from_the_start_of_its_first_epoch(tmp_path: Path) -> None:
    data: Callable[[], Any] = lambda: DataLoader(Stream(), batch_size=4)  # noqa: E731
    assert not wrong((Net, data, {}), tmp_path, slice(0, 2, 2))


def test_settings_that_no_step_has_changed_are_the_resumed_runs(tmp_path: Path) -> None:
    class Configured(Net):
        scale = 1.0

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return super().training_step(batch, batch_idx)

    def configured(value: float) -> Configured:
        module = Configured()
        module.scale = value
        return module

    modules: list[Configured] = []
    run(partial(configured, 1.0), loader, folder=tmp_path)

    def other() -> Configured:
        modules.append(configured(2.0))
        return modules[-1]

    run(other, loader, checkpoint=sorted(tmp_path.glob("*.ckpt"))[5])
    assert modules[0].scale == 2.0


def test_module_has_its_hooks_again_after_a_fit(tmp_path: Path) -> None:
    modules: list[Gathers] = []

    def module() -> Gathers:
        modules.append(Gathers())
        return modules[-1]

    run(module, loader)
    assert not {"on_train_batch_end", "on_validation_end"} & vars(modules[0]).keys()


def test_callbacks_that_cannot_be_resumed_are_named() -> None:
    with pytest.warns(UserWarning, match="StochasticWeightAveraging keeps outside of checkpoints"):
        run(Net, loader, callbacks=lambda: [StochasticWeightAveraging(0.01, swa_epoch_start=1)])
