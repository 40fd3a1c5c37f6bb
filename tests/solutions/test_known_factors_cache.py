from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from laaf_lightning.cli import main
from laaf_lightning.data import CollocationDataModule
from laaf_lightning.modules import PINN
from laaf_lightning.problems import Ansatz, Burgers, Helmholtz
from laaf_lightning.solutions.known_factors_cache import KnownFactorsCache
from tests.solutions.equations import Fixed, assert_same, loss_and_gradients, pinn_of, points_of
from tests.trainers import quiet_trainer

HARD = (Burgers(0.1, hard_conditions=True), Helmholtz(hard_conditions=True))


class Counted:
    """An ansatz that counts how often its functions are called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Ansatz:
        def square(points: Tensor) -> Tensor:
            self.calls += 1
            return points[:, :1] ** 2

        return Ansatz(square, square)


class CountedFixed(Fixed):
    """A problem whose known factors are counted, with conditions beside them."""

    def __init__(self) -> None:
        self.counted = Counted()

    def ansatz(self) -> Ansatz:
        return self.counted()


@pytest.mark.parametrize("soft", [Burgers(0.1), Helmholtz()], ids=repr)
@pytest.mark.parametrize("seed", [0, 1])
def test_hard_conditions_hold_whatever_the_network_is(soft: Any, seed: int) -> None:
    model = pinn_of(type(soft)(hard_conditions=True))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(10 * torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
    box = torch.rand(30, 2, dtype=torch.float64, generator=generator)
    lower, upper = torch.tensor([*soft.domain.values()], dtype=torch.float64).T
    for condition in soft.conditions():
        at = condition.place(lower + (upper - lower) * box, soft.coordinates)
        for u in (model(at), model.field(at).value):
            torch.testing.assert_close(u, condition.target(at), rtol=0, atol=1e-14)


def test_the_field_of_hard_conditions_is_what_the_module_returns() -> None:
    for problem in HARD:
        model, points = pinn_of(problem), points_of(problem).residual_points
        assert_same(model.field(points).value, model(points))
        assert (model(points) - model.network(points)).abs().max() > 1e-3


class CountAtEachStep(Callback):
    def __init__(self, problem: CountedFixed) -> None:
        self.problem, self.seen = problem, list[int]()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.seen.append(self.problem.counted.calls)


@pytest.mark.parametrize("chunk_size", [None, 5])
def test_known_factors_are_computed_once_in_a_whole_training(chunk_size: int | None) -> None:
    problem = CountedFixed()
    model, count = PINN(problem, width=4, depth=1, chunk_size=chunk_size), CountAtEachStep(problem)
    data = CollocationDataModule(problem, 12, 4, steps_per_epoch=3)
    quiet_trainer(max_epochs=2, limit_val_batches=0, callbacks=[count]).fit(model, datamodule=data)
    assert len(count.seen) == 6
    assert set(count.seen) == {count.seen[0]}
    assert count.seen[0] > 0


def test_minibatches_do_not_push_out_the_factors_of_the_conditions() -> None:
    problem = CountedFixed()
    model, count = PINN(problem, width=4, depth=1), CountAtEachStep(problem)
    data = CollocationDataModule(problem, 12, 4, steps_per_epoch=12, batch_size=3)
    quiet_trainer(max_epochs=1, limit_val_batches=0, callbacks=[count]).fit(model, datamodule=data)
    of_minibatches = {after - before for before, after in zip(count.seen, count.seen[1:], strict=False)}
    assert len(of_minibatches) == 1
    assert of_minibatches < {*range(1, count.seen[0])}


def test_points_that_were_changed_in_place_get_factors_of_their_own() -> None:
    problem = Burgers(0.1, hard_conditions=True)
    model, batch = pinn_of(problem), points_of(problem)
    first = loss_and_gradients(model, batch)
    batch.residual_points.mul_(0.5)
    again = loss_and_gradients(model, batch)
    fresh = batch._replace(residual_points=batch.residual_points.clone())
    assert_same(again, loss_and_gradients(pinn_of(problem), fresh))
    assert abs(again["loss"] - first["loss"]) > 1e-6


def test_other_points_get_other_factors_even_at_the_same_place_in_memory() -> None:
    problem = Burgers(0.1, hard_conditions=True)
    model = pinn_of(problem)
    for seed in range(8):
        points = torch.rand(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        assert_same(model.residual(points), pinn_of(problem).residual(points.clone()))
        del points


def test_points_made_in_inference_mode_are_never_remembered() -> None:
    problem = CountedFixed()
    cache, ansatz = KnownFactorsCache(), problem.ansatz()
    with torch.inference_mode():
        points = torch.rand(4, 3)
        first = cache(problem, ansatz, points, [])
        points.mul_(2)
        second = cache(problem, ansatz, points, [])
    assert_same(first.offset[0] * 4, second.offset[0])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_remember_nothing(copied: Callable[[KnownFactorsCache], KnownFactorsCache]) -> None:
    problem = CountedFixed()
    cache, points = KnownFactorsCache(), torch.rand(4, 3)
    kept = cache(problem, problem.ansatz(), points, [])
    assert cache(problem, problem.ansatz(), points, []) is kept
    assert copied(cache)(problem, problem.ansatz(), points, []) is not kept


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Lightning 2.6 calls jsonargparse by a deprecated name
@pytest.mark.parametrize("counts", [[], ["--data.num_condition=5"], ["--data.num_condition={}"]], ids=str)
def test_hard_conditions_on_the_command_line(counts: list[str], tmp_path: Path) -> None:
    run = main(
        ["fit", "--model=laaf_lightning.PINN", "--model.problem=laaf_lightning.Burgers",
         "--model.problem.hard_conditions=true", "--model.width=4", "--model.depth=1",
         "--data=laaf_lightning.CollocationDataModule", "--data.num_residual=10", *counts,
         "--trainer.max_steps=2", "--trainer.accelerator=cpu", "--trainer.limit_val_batches=0",
         "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.logger=false",
         "--trainer.enable_checkpointing=false", f"--trainer.default_root_dir={tmp_path}"]
    )  # fmt: skip
    assert run.trainer.global_step == 2
    assert run.model.problem == Burgers(hard_conditions=True)
    assert run.datamodule.problem == run.model.problem
    batch = run.datamodule.train_dataloader().batch
    assert [len(part) for part in batch[:4]] == [10, 0, 0, 0]
    metrics = {name: value.item() for name, value in run.trainer.callback_metrics.items()}
    assert metrics["train/mse_data"] == 0
    assert metrics["train/loss"] == metrics["train/mse_residual"] > 0
