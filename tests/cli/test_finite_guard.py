from __future__ import annotations

from typing import Any

import pytest

from laaf_lightning import FiniteGuard, NonFiniteError
from tests.cli.command import TINY, folder_of, laaf, refusal

BAD = (*TINY, "--slope_recovery.weight=0", "--model.optimizer.lr=1e30", "--trainer.max_steps=8")


def test_a_run_of_nan_ends_with_one_sentence_and_a_status_that_is_not_zero(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = refusal(capsys, "fit", *BAD)
    assert "training was stopped: at step 1 (counted from 0) the loss went first" in sentence
    assert "no checkpoint was saved before" in sentence


def test_it_is_on_unless_it_is_switched_off_and_stands_in_the_saved_configuration() -> None:
    with pytest.raises(NonFiniteError):
        laaf("fit", *BAD)
    with pytest.warns(UserWarning, match="the weights are not finite after step 8: no checkpoint is written"):
        run = laaf("fit", *BAD, "--finite_guard.enabled=false")
    assert run.trainer.global_step == 8
    assert "finite_guard:\n  check_every_n_steps: 50\n" in (folder_of(run) / "config.yaml").read_text()


def test_it_is_set_under_its_own_key() -> None:
    run = laaf("fit", *TINY, "--finite_guard.check_every_n_steps=7", "--finite_guard.rollback=2")
    callbacks: list[Any] = vars(run.trainer)["callbacks"]
    (guard,) = (callback for callback in callbacks if isinstance(callback, FiniteGuard))
    assert (guard.check_every_n_steps, guard.rollback, guard.enabled) == (7, 2, True)
