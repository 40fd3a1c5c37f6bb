from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from laaf_lightning.cli import main
from laaf_lightning.cli.ends.stop_signals import StopSignals
from tests.cli.command import QUIET, TINY, checkpoint_of

LONG = (*TINY, "--trainer.max_steps=20", "--data.steps_per_epoch=5")
STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}


def ended(capsys: pytest.CaptureFixture[str], command: str, *args: str) -> tuple[object, str]:
    """Run the command line in this process; return its exit status and what it says of its end."""
    capsys.readouterr()
    before = [signal.getsignal(number) for number in STATUS]
    with pytest.raises(SystemExit) as end:
        main([command, *QUIET, *args])
    assert [signal.getsignal(number) for number in STATUS] == before
    (said,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("laaf: "))
    return end.value.code, said


def at(hook: str, *numbers: int, step: int = 0) -> list[str]:
    return [
        "--trainer.callbacks+=tests.cli.ends.moments.AtMoment",
        f"--trainer.callbacks.hook={hook}",
        f"--trainer.callbacks.step={step}",
        *([f"--trainer.callbacks.signals=[{','.join(map(str, map(int, numbers)))}]"] if numbers else []),
    ]


def the_run() -> Path:
    (config,) = Path("runs").rglob("config.yaml")
    return config.parent


@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_before_optimizer_step", "on_train_batch_end"])
def test_a_signal_ends_the_run_after_the_step_with_its_checkpoint(
    capsys: pytest.CaptureFixture[str], number: int, hook: str
) -> None:
    status, said = ended(capsys, "fit", *LONG, *at(hook, number, step=7))
    steps = 7 if hook == "on_train_batch_end" else 8
    run = the_run()
    file = run / "checkpoints" / "last.ckpt"
    assert status == STATUS[signal.Signals(number)]
    assert said == (
        f"laaf: stopped by {'Ctrl-C' if number == signal.SIGINT else 'SIGTERM'} after {steps} optimiser steps: the run "
        f"lies in {run}, its last whole checkpoint, of step {steps}, is {file}, and this goes on from there: "
        f"laaf fit --config {run}/config.yaml --ckpt_path {file}"
    )
    assert torch.load(file, weights_only=True)["global_step"] == steps


def test_the_command_that_is_named_goes_on_to_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    _, said = ended(capsys, "fit", *LONG, *at("on_train_batch_start", signal.SIGTERM, step=4))
    words = shlex.split(said.partition("goes on from there: ")[2])
    assert words[:2] == ["laaf", "fit"]
    again = main([*words[1:], "--trainer.callbacks=null"])
    assert again.trainer.global_step == 20
    assert torch.load(checkpoint_of(again), weights_only=True)["global_step"] == 20


def test_a_signal_in_a_validation_is_heeded_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    validated = ("--trainer.limit_val_batches=1", "--trainer.check_val_every_n_epoch=1")
    status, said = ended(capsys, "fit", *LONG, *validated, *at("on_validation_batch_end", signal.SIGTERM, step=5))
    assert status == 143
    assert "of step 5, is" in said


def test_a_signal_before_the_first_step_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(capsys, "fit", *LONG, *at("on_fit_start", signal.SIGINT)) == (130, "laaf: stopped by Ctrl-C")
    assert not Path("runs").exists()


def test_a_signal_after_the_last_step_ends_with_the_checkpoint_of_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = ended(capsys, "fit", *LONG, *at("on_fit_end", signal.SIGTERM))
    assert status == 143
    assert "after 20 optimiser steps" in said
    assert "of step 20, is" in said


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_other_commands_end_at_once(capsys: pytest.CaptureFixture[str], command: str) -> None:
    validated = "--trainer.limit_val_batches=1"
    hook = {"validate": "on_validation_start", "test": "on_test_start", "predict": "on_predict_start"}[command]
    args = [*(word for word in TINY if "max_steps" not in word), validated, *at(hook, signal.SIGINT)]
    assert ended(capsys, command, *args) == (130, "laaf: stopped by Ctrl-C")


def test_a_second_ctrl_c_in_a_step_keeps_the_checkpoint_before(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--model.optimizer=tests.cli.ends.moments.CutsOffStep", *at("on_train_batch_end", step=99)]
    status, said = ended(capsys, "fit", *LONG, *args)
    assert status == 130
    assert said.endswith("no checkpoint was written of it")
    assert not [*Path("runs").rglob("*.ckpt")]


def test_sigterm_comes_once_however_often_it_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = ended(capsys, "fit", *LONG, *at("on_train_batch_start", *[signal.SIGTERM] * 3, step=3))
    assert status == 143
    assert "of step 4, is" in said


def test_signals_that_are_ignored_stay_so_and_foreign_handlers_are_called() -> None:
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in STATUS}
    signals = StopSignals()
    signals.heeded = True
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
        theirs = signal.getsignal(signal.SIGTERM)
        with signals.taken():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is theirs
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert came == [signal.SIGTERM]
    assert signals.asked == signal.SIGTERM


def test_nothing_cuts_off_what_is_being_written() -> None:
    signals: Any = StopSignals()
    with signals.taken():
        with signals.writing():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        assert signals.asked == signal.SIGINT
