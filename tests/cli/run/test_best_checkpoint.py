from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from laaf_lightning import PINN, Burgers, FunctionRegressor, ImageClassifier
from laaf_lightning.cli.ends.last_checkpoint import LastCheckpoint
from laaf_lightning.cli.ends.stop_signals import StopSignals
from laaf_lightning.cli.run.best_checkpoint import BestCheckpoint, checkpoints_for
from tests.callbacks.plain_training import Batches, PlainModule, regression_batches
from tests.cli.command import TINY, checkpoints_of, folder_of, laaf, scalars
from tests.trainers import quiet_trainer


def test_the_error_is_the_less_the_better_and_accuracy_the_more() -> None:
    assert FunctionRegressor(1, 1).monitored == ("val/relative_l2", "min")
    assert PINN(Burgers(), width=2, depth=1).monitored == ("val/relative_l2", "min")
    classifier = ImageClassifier("lenet", num_classes=10, in_channels=1, image_size=16)
    assert classifier.monitored == ("val/accuracy", "max")
    best, last = checkpoints_for(classifier, [], Path("run"), StopSignals())
    assert isinstance(best, BestCheckpoint)
    assert (best.monitor, best.mode) == ("val/accuracy", "max")
    assert isinstance(last, LastCheckpoint)
    assert {Path(str(each.dirpath)).parts[-2:] for each in (best, last)} == {("run", "checkpoints")}


def test_beside_a_checkpoint_that_was_asked_for_there_is_the_last_alone() -> None:
    (last,) = checkpoints_for(FunctionRegressor(1, 1), [ModelCheckpoint()], None, StopSignals())
    assert isinstance(last, LastCheckpoint)


@pytest.mark.slow
def test_the_best_validated_network_is_kept_beside_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    # A learning rate that is far too large: the error rises after the first validation.
    run = laaf("fit", *TINY, "--trainer.limit_val_batches=1", "--data.steps_per_epoch=1", "--trainer.max_steps=6",
               "--model.optimizer.lr=0.3")  # fmt: skip
    kept = checkpoints_of(run)
    (best,) = (file for file in kept if file.name.startswith("best"))
    (last,) = (file for file in kept if file != best)
    assert torch.load(last, weights_only=True)["global_step"] == 6
    assert best.name == f"best-step={torch.load(best, weights_only=True)['global_step']}.ckpt"
    assert run.outcome["best"] == {
        "metric": "val/relative_l2",
        "value": pytest.approx(min(scalars(folder_of(run))["val/relative_l2"].values()), rel=1e-6),
        "checkpoint": str(best),
    }


def test_a_network_that_is_the_best_after_the_last_step_is_kept_too() -> None:
    run = laaf("fit", *TINY, "--trainer.limit_val_batches=1", "--data.steps_per_epoch=2", "--trainer.max_steps=3")
    (best,) = (file for file in checkpoints_of(run) if file.name.startswith("best"))
    final = run.outcome["metrics"]["val/relative_l2"]
    assert run.outcome["best"]["value"] <= final
    assert Path(run.outcome["best"]["checkpoint"]).samefile(best)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_what_is_validated_as_nan_is_never_the_best(
    mode: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = iter([math.nan, 2.0, math.nan, 1.0, math.inf, -math.inf])

    class Told(PlainModule):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val/value", torch.tensor(next(values)))

    best, batches = BestCheckpoint("val/value", mode, tmp_path / "kept"), Batches(regression_batches(1))
    trainer = quiet_trainer(best, max_epochs=6, num_sanity_val_steps=0, enable_checkpointing=True)
    with caplog.at_level(logging.INFO):
        trainer.fit(Told(), batches, batches)
    step, value = (4, 1.0) if mode == "min" else (2, 2.0)
    assert [file.name for file in (tmp_path / "kept").iterdir()] == [f"best-step={step}.ckpt"]
    assert best.best_model_score == value
    assert caplog.text.count("val/value is nan after 1 optimiser steps") == 1
