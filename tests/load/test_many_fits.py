"""Many fits: in one process, and at once in one folder."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

import laaf_lightning as laaf
from tests.trainers import quiet_trainer

pytestmark = [pytest.mark.soak, pytest.mark.filterwarnings("ignore:Checkpoint directory")]
FITS, WARM = 1000, 100
TINY = [
    "--config", "burgers.yaml", "--data.num_residual", "50", "--trainer.max_steps", "20",
    "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false",
]  # fmt: skip


def fit_once(folder: Path) -> None:
    problem = laaf.Burgers()
    module = laaf.PINN(problem, width=8, depth=2, scope="layer", n=10)
    data = laaf.CollocationDataModule(problem, num_residual=50, num_condition=20, steps_per_epoch=3)
    checkpoint = pl.callbacks.ModelCheckpoint(folder, save_top_k=1, enable_version_counter=False)
    callbacks = [laaf.SlopeRecovery(), laaf.ExactResume(), laaf.FiniteGuard(), checkpoint]
    trainer = quiet_trainer(*callbacks, max_epochs=1, plugins=[laaf.WholeCheckpointIO()], enable_checkpointing=True)
    trainer.fit(module, data)


def open_handles() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_a_thousand_fits_in_one_process_take_no_more_and_no_more(tmp_path: Path) -> None:
    for _ in range(WARM):
        fit_once(tmp_path)
    gc.collect()
    before = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, open_handles(), threading.active_count())
    for _ in range(FITS):
        fit_once(tmp_path)
    gc.collect()
    after = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, open_handles(), threading.active_count())
    assert after[1:] == before[1:]
    assert (after[0] - before[0]) / 1024 < 50, f"{before} and {after}: the peak of memory, kB, handles, threads"


def processes(commands: list[list[str]], folder: Path, **environment: str) -> list[str]:
    """Run commands at once; return what each has written."""
    running = [
        subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command in commands
    ]
    said = [process.communicate(timeout=1800)[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(commands), said
    return said


def test_eight_fits_at_once_in_one_folder(tmp_path: Path) -> None:
    processes([["-m", "laaf_lightning", "fit", *TINY]] * 8, tmp_path)
    runs = [file.parent for file in tmp_path.rglob("config.yaml")]
    assert len(runs) == 8
    states = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in runs]
    for state in states[1:]:
        assert all(torch.equal(value, states[0][name]) for name, value in state.items())
