"""Many fits: in one process, and at once in one folder."""

from __future__ import annotations

import gc
import logging
import os
import resource
import statistics
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
FITS, WARM, LOOKS = 1000, 100, 20
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


def look() -> tuple[float, int, int, int]:
    """Return the memory in use, MB, and the numbers of Python's objects, handles and threads."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    handles = len([*Path("/proc/self/fd").iterdir()])
    return pages * resource.getpagesize() / 2**20, len(gc.get_objects()), handles, threading.active_count()


def test_a_thousand_fits_in_one_process_take_no_more_and_no_more(tmp_path: Path) -> None:
    logging.disable(logging.INFO)  # pytest keeps every record
    try:
        for _ in range(WARM):
            fit_once(tmp_path)
        seen = [look()]
        for _ in range(LOOKS):
            for _ in range(FITS // LOOKS):
                fit_once(tmp_path)
            seen.append(look())
    finally:
        logging.disable(logging.NOTSET)
    megabytes, objects, handles, threads = zip(*seen, strict=True)
    assert len({*handles}) == len({*threads}) == 1, seen
    assert objects[-1] - objects[0] < FITS, seen  # not one a fit
    # What the allocator holds goes up and down by some 30 MB.
    third = LOOKS // 3
    assert statistics.median(megabytes[-third:]) - statistics.median(megabytes[:third]) < 40, seen


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
