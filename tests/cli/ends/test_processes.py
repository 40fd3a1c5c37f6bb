"""Runs that end by a signal, as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from laaf_lightning.cli.ends.processes import end, set_timeout
from laaf_lightning.errors import ConfigurationError
from tests.cli.command import QUIET, TINY
from tests.trainers import quiet_trainer

ENDLESS = ("fit", *TINY, *QUIET, "--trainer.max_steps=10000000")
TWO = ("--trainer.devices=2", "--trainer.strategy=ddp", "--process_timeout=60")
_WAIT = 240


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes of a test, none of which is left when it ends."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def training(started: list[subprocess.Popen[str]], *args: str) -> subprocess.Popen[str]:
    """Start a training in a process group of its own; wait for its first checkpoint."""
    command = [sys.executable, "-m", "laaf_lightning", *ENDLESS, *args]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    started.append(process)
    deadline = time.monotonic() + _WAIT
    while not [*Path("runs").rglob("last.ckpt")]:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


def children(process: subprocess.Popen[str]) -> list[int]:
    command = ["ps", "-o", "pid=", "--ppid", str(process.pid)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(line) for line in listed.stdout.split()]


def last_step() -> int:
    (file,) = Path("runs").rglob("last.ckpt")
    assert not [*file.parent.glob(".*")]
    step: int = torch.load(file, weights_only=True)["global_step"]
    return step


@pytest.mark.slow
def test_ctrl_c_ends_a_process_with_130(started: list[subprocess.Popen[str]]) -> None:
    process = training(started)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=_WAIT)[1]
    assert process.returncode == 130
    assert f"laaf: stopped by Ctrl-C after {last_step()} optimiser steps: the run lies in runs/" in said
    assert "Traceback" not in said


@pytest.mark.long
@pytest.mark.slow
def test_sigterm_to_one_of_two_ranks_ends_both_with_143(started: list[subprocess.Popen[str]]) -> None:
    process = training(started, *TWO)
    (other,) = children(process)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=_WAIT)[1]
    assert process.returncode == 143
    assert said.count(f"laaf: stopped by SIGTERM after {last_step()} optimiser steps: ") == 1
    with pytest.raises(ProcessLookupError):
        os.kill(other, 0)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_rank_that_is_killed_or_hangs_ends_the_other(started: list[subprocess.Popen[str]], number: int) -> None:
    process = training(started, *TWO)
    (other,) = children(process)
    os.kill(other, number)
    process.communicate(timeout=_WAIT)
    assert process.returncode != 0
    assert last_step() > 0
    with pytest.raises(ProcessLookupError):
        os.kill(other, 0)


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laaf_lightning.cli.ends.processes._PATIENCE", 0.2)
    hanging = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    end([hanging])
    assert hanging.returncode == -signal.SIGKILL


def test_a_limit_must_be_positive_and_reaches_the_strategy() -> None:
    with pytest.raises(ConfigurationError, match=r"process_timeout=0 must be > 0"):
        set_timeout(quiet_trainer(), 0)
    set_timeout(quiet_trainer(), 5)
    trainer = quiet_trainer(devices=2, strategy="ddp")
    set_timeout(trainer, 5)
    assert vars(trainer.strategy)["_timeout"].total_seconds() == 5
