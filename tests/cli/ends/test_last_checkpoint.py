from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from laaf_lightning.cli import main
from laaf_lightning.cli.ends import last_checkpoint
from laaf_lightning.cli.ends.last_checkpoint import LastCheckpoint
from laaf_lightning.cli.ends.stop_signals import StopSignals
from tests.callbacks.plain_training import Batches, PlainModule, regression_batches
from tests.cli.command import QUIET, TINY, checkpoints_of, laaf, refusal
from tests.cli.ends.test_stop_signals import LONG, at, the_run
from tests.trainers import quiet_trainer


class Clock:
    """Seconds, of which each look takes some."""

    def __init__(self, tick: float) -> None:
        self.now, self.tick = 0.0, tick

    def monotonic(self) -> float:
        self.now += self.tick
        return self.now


def saved_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, tick: float, steps: int, **settings: Any) -> Any:
    """Train with a clock of our own; return the steps at which the file was written."""
    monkeypatch.setattr(last_checkpoint, "time", Clock(tick))
    callback = LastCheckpoint(tmp_path / "kept", StopSignals())
    written: list[int] = []
    real = callback._save

    def save(trainer: Any, module: Any, **kwargs: Any) -> None:
        written.append(trainer.global_step)
        real(trainer, module, **kwargs)

    monkeypatch.setattr(callback, "_save", save)
    trainer = quiet_trainer(callback, max_steps=steps, enable_checkpointing=True, **settings)
    trainer.fit(PlainModule(), Batches(regression_batches()))
    assert torch.load(tmp_path / "kept" / "last.ckpt", weights_only=True)["global_step"] == trainer.global_step
    assert [file.name for file in (tmp_path / "kept").iterdir()] == ["last.ckpt"]
    return written


def test_a_run_that_stops_between_validations_keeps_its_end() -> None:
    run = laaf("fit", *TINY, "--trainer.max_steps=3", "--trainer.check_val_every_n_epoch=100")
    (file,) = checkpoints_of(run)
    assert file.name == "last.ckpt"
    assert torch.load(file, weights_only=True)["global_step"] == 3


def test_quick_steps_are_not_saved_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A look takes 10 ms: two looks or more a step, so at least 200 of them between two checkpoints.
    written = saved_steps(monkeypatch, tmp_path, tick=0.01, steps=400)
    assert written[-1] == 400
    assert 2 <= len(written) <= 4


def test_slow_steps_are_saved_each_minute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A look takes a minute, so that a checkpoint seems to take long as well.
    written = saved_steps(monkeypatch, tmp_path, tick=61.0, steps=6)
    assert written == [1, 2, 3, 4, 5, 6]


def test_gradients_that_accumulate_are_not_cut_in_two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written = saved_steps(monkeypatch, tmp_path, tick=40.0, steps=3, accumulate_grad_batches=2)
    assert set(written) <= {1, 2, 3}
    state = torch.load(tmp_path / "kept" / "last.ckpt", weights_only=True)
    assert state["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"] == 2 * 3


@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_before_backward", "on_before_optimizer_step"])
def test_an_error_leaves_the_checkpoint_of_the_last_whole_step(capsys: pytest.CaptureFixture[str], hook: str) -> None:
    with pytest.raises(ArithmeticError):
        main(["fit", *QUIET, *LONG, *at(hook, step=7)])
    file = the_run() / "checkpoints" / "last.ckpt"
    assert torch.load(file, weights_only=True)["global_step"] == 7
    said = capsys.readouterr().err
    assert "laaf: ended by ArithmeticError after 7 optimiser steps: the run lies in runs/" in said
    assert f"of step 7, is {file}, and this goes on from there: laaf fit --config " in said


def test_weights_that_are_not_finite_are_not_saved() -> None:
    args = ["--trainer.callbacks+=tests.cli.ends.moments.SpoilsWeights", "--trainer.callbacks.step=20"]
    args += ["--finite_guard.enabled=false"]
    with pytest.warns(UserWarning, match="the weights are not finite after step 20: no checkpoint is written of them"):
        run = laaf("fit", *LONG, *args)
    assert checkpoints_of(run) == []


def test_a_limit_of_time_ends_with_a_checkpoint_and_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    args = [word for word in LONG if "max_steps" not in word]
    run = laaf("fit", *args, "--trainer.max_steps=100000", "--trainer.max_time=00:00:00:01")
    said = capsys.readouterr().err
    steps = run.trainer.global_step
    assert 0 < steps < 100_000
    assert torch.load(the_run() / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == steps
    assert f"stopped by max_time=00:00:00:01 after {steps} optimiser steps: the run lies in" in said
    assert said.rstrip().endswith("last.ckpt --trainer.max_time null")


def test_a_full_disk_ends_with_one_sentence_and_no_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def full(source: Any, target: Any) -> None:
        if str(target).endswith(".ckpt"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    said = refusal(capsys, "fit", *TINY)
    file = the_run() / "checkpoints" / "last.ckpt"
    assert said.startswith(f"cannot write the checkpoint '{file}': No space left on device (it needs ")
    assert [each.name for each in file.parent.iterdir()] == ["journal.csv"]


def test_a_checkpoint_of_ones_own_has_the_last_one_beside_it(tmp_path: Path) -> None:
    own = ["--trainer.callbacks+=ModelCheckpoint", f"--trainer.callbacks.dirpath={tmp_path / 'own'}"]
    run = laaf("fit", *TINY, *own)
    assert [file.name for file in checkpoints_of(run)] == ["last.ckpt"]
    assert [file.name for file in (tmp_path / "own").glob("*.ckpt")] == ["epoch=0-step=2.ckpt"]
    assert isinstance(run.trainer.checkpoint_callback, ModelCheckpoint)
