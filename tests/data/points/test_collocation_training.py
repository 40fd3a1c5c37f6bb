from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from laaf_lightning.callbacks import ResampleCollocation
from laaf_lightning.data import BurgersDataModule, CollocationBatch, CollocationDataModule
from laaf_lightning.lightning_packages import LightningDataModule
from laaf_lightning.problems import Burgers
from tests.data.points import point_cases
from tests.ranks import run_on_two_ranks
from tests.trainers import quiet_trainer


def quiet(namespace: Any, **arguments: Any) -> Any:
    return quiet_trainer(namespace=namespace, **arguments)


class Watch(Callback):
    """Keeps the residual points of every step."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.seen.append(batch.residual_points.clone())


def test_training_in_double_precision_gets_points_of_full_accuracy() -> None:
    data = point_cases.points()
    seen = point_cases.fitted(quiet(pytorch_lightning, max_epochs=1, precision="64-true"))["seen"]
    for got, expected in zip(seen, (data.residual_points(), *data.condition_points()), strict=True):
        assert got.dtype == torch.float64
        assert torch.equal(got, expected)


@pytest.mark.parametrize("namespace", [pytorch_lightning, lightning.pytorch], ids=lambda namespace: namespace.__name__)
def test_both_trainers_fit_validate_and_predict_on_it(namespace: Any) -> None:
    class Plane(namespace.LightningModule):  # type: ignore[misc]  # the base is a parameter
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def training_step(self, batch: CollocationBatch) -> Tensor:
            assert isinstance(batch, CollocationBatch)
            return nn.functional.mse_loss(self.linear(batch.condition_points), batch.condition_values)

        def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
            self.log("error", (self.linear(batch[0]) - batch[1]).square().mean())

        def predict_step(self, batch: Tensor) -> Tensor:
            outputs: Tensor = self.linear(batch)
            return outputs

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    data, model, runner = BurgersDataModule(num_residual=4, steps_per_epoch=3), Plane(), quiet(namespace, max_epochs=2)
    runner.fit(model, datamodule=data)
    assert runner.global_step == 6
    assert runner.callback_metrics["error"] > 0
    assert runner.predict(model, datamodule=data)[0].shape == (25_600, 1)


class Steps(Callback):
    """Remember each step's points as they were; set others after the second step."""

    def __init__(self, points: Tensor | None = None) -> None:
        self.points, self.seen, self.objects = points, list[Tensor](), list[Tensor]()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: CollocationBatch, batch_idx: int
    ) -> None:
        self.seen.append(batch.residual_points.clone())
        self.objects.append(batch.residual_points)
        if trainer.global_step == 2 and self.points is not None:
            trainer.datamodule.set_residual_points(self.points)  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", [10, 4, 17])
def test_other_points_are_trained_on_from_the_next_step_on(count: int) -> None:
    data = point_cases.points()
    others = data.sample_residual_points(count, seed=77)
    steps = Steps(others)
    trainer = quiet(pytorch_lightning, max_epochs=2, precision="64-true", callbacks=[steps], limit_val_batches=0)
    trainer.fit(point_cases.LinearFit(), datamodule=data)
    assert len(steps.seen) == 10
    before = data.sample_residual_points(10, seed=3)
    assert [torch.equal(seen, before) for seen in steps.seen] == [True] * 2 + [False] * 8
    assert [torch.equal(seen, others) for seen in steps.seen] == [False] * 2 + [True] * 8
    # One tensor as long as the points are the same: what is known of them need not be computed again.
    assert len({id(points) for points in steps.objects[:2]}) == 1
    assert len({id(points) for points in steps.objects[2:]}) == 1


def test_other_points_of_a_minibatch_job_are_trained_on_from_the_next_step_on() -> None:
    data = CollocationDataModule(Burgers(), 12, 4, steps_per_epoch=8, batch_size=4)
    others = data.sample_residual_points(9, seed=77)
    steps = Steps(others)
    trainer = quiet(pytorch_lightning, max_epochs=1, precision="64-true", callbacks=[steps], limit_val_batches=0)
    trainer.fit(point_cases.LinearFit(), datamodule=data)
    known = {tuple(point) for point in others.tolist()}
    from_others = [sum(tuple(point) in known for point in seen.tolist()) for seen in steps.seen]
    assert from_others == [0] * 2 + [4] * 6


@pytest.mark.parametrize("stop", [2, 4, 7])
@pytest.mark.parametrize("redraw", [False, True])
def test_a_resumed_minibatch_job_goes_on_with_the_points_that_it_has_not_used(
    redraw: bool, stop: int, tmp_path: Path
) -> None:
    def seen(steps: int, checkpoint: Path | None = None) -> list[Tensor]:
        data = CollocationDataModule(Burgers(), 13, 4, steps_per_epoch=4, batch_size=5)
        callbacks: list[Callback] = [watch := Watch()]
        callbacks += [ResampleCollocation(every_n_steps=3)] if redraw else []
        trainer = quiet(pytorch_lightning, max_steps=steps, max_epochs=-1, callbacks=callbacks, limit_val_batches=0)
        trainer.fit(point_cases.LinearFit().float(), datamodule=data, ckpt_path=checkpoint, weights_only=True)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return watch.seen

    whole = seen(11)
    before, after = seen(stop), seen(11, tmp_path / "last.ckpt")
    assert len(before) + len(after) == len(whole) == 11
    assert all(torch.equal(one, other) for one, other in zip([*before, *after], whole, strict=True))


@pytest.mark.parametrize(("batch_size", "moves"), [(None, 1), (4, 6)])
def test_a_batch_that_stays_is_moved_to_the_device_once(
    batch_size: int | None, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = []

    def move(self: Any, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        moved.append(batch)
        return batch

    monkeypatch.setattr(LightningDataModule, "transfer_batch_to_device", move)
    data = CollocationDataModule(Burgers(), 12, 4, steps_per_epoch=3, batch_size=batch_size)
    trainer = quiet(pytorch_lightning, max_epochs=2, limit_val_batches=0)
    trainer.fit(point_cases.LinearFit().float(), datamodule=data)
    assert trainer.global_step == 6
    assert len(moved) == moves


@pytest.fixture(scope="module")
def both_ranks() -> list[dict[str, Any]]:
    names = ("two_ranks_fit", "uneven_points")
    results = run_on_two_ranks([f"tests.data.points.point_cases:{name}" for name in names])
    return [{name: rank[f"tests.data.points.point_cases:{name}"] for name in names} for rank in results]


@pytest.mark.long
@pytest.mark.slow
def test_two_ranks_share_all_points_and_train_as_one_process(both_ranks: list[dict[str, Any]]) -> None:
    alone = point_cases.fitted(quiet(pytorch_lightning, max_epochs=2, precision="64-true", num_sanity_val_steps=0))
    first, second = (rank["two_ranks_fit"] for rank in both_ranks)
    for whole, left, right in zip(alone["seen"], first["seen"], second["seen"], strict=True):
        assert len(left) == len(right)
        assert sorted(whole.tolist()) == sorted([*left.tolist(), *right.tolist()])
    assert alone["counts"] == {"initial": 6, "left": 4, "right": 4}
    assert {name: first["counts"][name] + second["counts"][name] for name in first["counts"]} == alone["counts"]
    assert first["grid_points"] + second["grid_points"] == alone["grid_points"] == 25_600
    for rank in (first, second):
        torch.testing.assert_close(rank["parameters"], alone["parameters"], rtol=1e-12, atol=1e-14)


@pytest.mark.long
@pytest.mark.slow
def test_points_that_two_ranks_cannot_share_are_refused(both_ranks: list[dict[str, Any]]) -> None:
    for rank in both_ranks:
        assert "num_residual=11 points do not split evenly over 2 ranks" in rank["uneven_points"]
