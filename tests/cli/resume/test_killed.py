"""Runs that are killed again and again end with the bits of the run that was not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.callbacks.exact_resume.runs import differences

COMMON = ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false", "--figures.every_n_steps", "null"]
FOR_THE_GATE = ["--config", "semeion.yaml", "--trainer.max_epochs", "16", "--trainer.accumulate_grad_batches", "2"]
JOBS = {"semeion": ["--config", "semeion.yaml"], "burgers": ["--config", "burgers.yaml"]}
SHORT = ["--config", "semeion.yaml", "--trainer.max_epochs", "16"]
VARIANTS = {
    "augmentation": [*SHORT, "--data.augment", "true"],
    "bf16-mixed": [*SHORT, "--trainer.precision", "bf16-mixed"],
    "workers": [*SHORT, "--data.on_device", "false", "--data.num_workers", "2"],
    "accumulation": FOR_THE_GATE,
    "two processes": [*SHORT[:-1], "64", "--trainer.devices", "2", "--trainer.strategy", "ddp"],
    "regressor": ["--config", "discontinuous.yaml", "--trainer.max_steps", "12000"],
}
# Kills itself when a file is about to be forced to disk: half written, or written and not yet under its name.
DIES_WHILE_SAVING = """
import os, signal, sys
left, fsync = int(sys.argv.pop(1)), os.fsync

def dying(handle):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(handle)

os.fsync = dying
from laaf_lightning.cli import cli
cli()
"""


def started(args: list[str], folder: Path, *launcher: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, *(launcher or ["-m", "laaf_lightning"]), "fit", *args, *COMMON]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


def ended(args: list[str], folder: Path) -> None:
    assert started(args, folder).wait(timeout=900) == 0, (folder / "log.txt").read_text()


def killed(args: list[str], folder: Path, wait: float) -> bool:
    """Kill a run some time after its first checkpoint; tell whether it was still running."""
    before = set(folder.rglob("last.ckpt"))
    process = started(args, folder)
    while process.poll() is None and set(folder.rglob("last.ckpt")) == before:
        time.sleep(0.02)
    time.sleep(wait)
    was_running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return was_running


def newest(folder: Path) -> Path:
    return max(folder.rglob("last.ckpt"), key=lambda file: file.stat().st_mtime)


def what_differs(one: Path, other: Path) -> list[str]:
    whole, resumed = (torch.load(newest(folder), weights_only=True) for folder in (one, other))
    keys = ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch")
    found = [*differences({key: whole[key] for key in keys}, {key: resumed[key] for key in keys})]
    found += differences(whole["exact_resume"]["ranks"], resumed["exact_resume"]["ranks"], "random states")
    metrics = [
        json.loads((newest(folder).parents[1] / "outcome.json").read_text())["metrics"] for folder in (one, other)
    ]
    return [*found, *differences(metrics[0], metrics[1], "metrics")]


def compare(job: list[str], tmp_path: Path, waits: list[float]) -> int:
    """Compare a run with one that is killed after each of some times; return how often that was in time."""
    one, other = tmp_path / "whole", tmp_path / "killed"
    one.mkdir()
    other.mkdir()
    ended(job, one)
    kills = sum(killed([*job, *(["--resume"] if number else [])], other, wait) for number, wait in enumerate(waits))
    ended([*job, "--resume"], other)
    assert not what_differs(one, other)
    assert len([*other.rglob("journal.csv")]) == len(waits) + 1
    return kills


def compare_after_kills_while_saving(job: list[str], tmp_path: Path, saves: list[int]) -> None:
    """Compare a run with one that is killed while it forces one file after another to disk."""
    one, other = tmp_path / "whole", tmp_path / "killed"
    one.mkdir()
    other.mkdir()
    ended(job, one)
    for number, save in enumerate(saves):
        again = [*job, *(["--resume"] if number else [])]
        process = started(again, other, "-c", DIES_WHILE_SAVING, str(save))
        assert process.wait(timeout=900) == -signal.SIGKILL, (other / "log.txt").read_text()
        for file in other.rglob("*.ckpt"):
            assert torch.load(file, weights_only=True)["global_step"] > 0  # whole
    ended([*job, "--resume"], other)
    assert not what_differs(one, other)


def waits(count: int, seed: int) -> list[float]:
    draws = random.Random(seed)
    return [draws.uniform(0, 2) for _ in range(count)]


@pytest.mark.slow
@pytest.mark.long
def test_a_run_of_images_killed_once(tmp_path: Path) -> None:
    assert compare(FOR_THE_GATE, tmp_path, [0.3]) == 1


@pytest.mark.soak
@pytest.mark.parametrize("job", JOBS)
def test_shipped_runs_killed_five_times(job: str, tmp_path: Path) -> None:
    assert compare(JOBS[job], tmp_path, waits(5, seed=len(job))) == 5


@pytest.mark.soak
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_killed_three_times(variant: str, tmp_path: Path) -> None:
    assert compare(VARIANTS[variant], tmp_path, waits(3, seed=len(variant))) >= 2


@pytest.mark.soak
@pytest.mark.parametrize("job", ["semeion", "regressor"])
def test_killed_while_a_file_is_saved(job: str, tmp_path: Path) -> None:
    # Two files are forced to disk for each save, and one folder; the first few are of the configuration.
    compare_after_kills_while_saving((JOBS | VARIANTS)[job], tmp_path, [9, 10, 11, 12])


def test_a_difference_is_seen() -> None:
    state: dict[str, Any] = {"a": torch.zeros(2), "b": [1, 2.0]}
    assert not [*differences(state, {"a": torch.zeros(2), "b": [1, 2.0]})]
    assert [*differences(state, {"a": torch.tensor([0.0, 1e-45]), "b": [1, 2.0]})]
