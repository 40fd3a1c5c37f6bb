from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

import laaf_lightning as laaf
from laaf_lightning.callbacks import TheoremAssumption
from tests.callbacks.plain_training import (
    Batch,
    Batches,
    PlainModule,
    adapted,
    assert_equal_parameters,
    one_epoch_trainer,
    oracle_recovery,
    plain_loop,
    regression_batches,
)
from tests.callbacks.slope_recovery.test_logging import logged

BATCHES = regression_batches()


class KnowsItsConstant(PlainModule):
    """Counts how often it is asked."""

    asked = 0

    def constant_network_loss(self, batch: Batch) -> Tensor:
        self.asked += 1
        _, y = batch
        return (y - y.mean()).square().mean()


def half_and_half(
    folder: Path, module: Any, callback: Callable[[], laaf.SlopeRecovery], **settings: Any
) -> tuple[laaf.SlopeRecovery, Path]:
    """Train one epoch, then two from its checkpoint in a fresh module; leave the result in `module`."""
    first = one_epoch_trainer(callback())
    first.fit(copy.deepcopy(module), Batches(BATCHES))
    path = folder / "half.ckpt"
    first.save_checkpoint(path)
    resumed = callback()
    trainer = one_epoch_trainer(resumed, max_epochs=3, **settings)
    trainer.fit(module, Batches(BATCHES), ckpt_path=path, weights_only=True)
    return resumed, path


@pytest.mark.parametrize("steps", [len(BATCHES) - 1, len(BATCHES), len(BATCHES) + 1, 2 * len(BATCHES)])
def test_a_resumed_run_equals_an_uninterrupted_one_where_the_schedule_acts(tmp_path: Path, steps: int) -> None:
    schedule = laaf.LinearDecay(3.0, steps)
    module = adapted(PlainModule())
    uninterrupted, twin = copy.deepcopy(module), copy.deepcopy(module)
    half_and_half(tmp_path, module, lambda: laaf.SlopeRecovery(schedule))
    one_epoch_trainer(laaf.SlopeRecovery(schedule), max_epochs=3).fit(uninterrupted, Batches(BATCHES))
    plain_loop(twin, BATCHES * 3, lambda loss, step: loss + 3 * max(0, 1 - step / steps) * oracle_recovery(twin))
    assert_equal_parameters(module, uninterrupted, rtol=0)
    assert_equal_parameters(module, twin)


def test_the_assumption_is_kept_and_not_measured_again(tmp_path: Path) -> None:
    module = adapted(KnowsItsConstant())
    with torch.no_grad():
        initial = float(module.loss(BATCHES[0]) + oracle_recovery(module))
    resumed, path = half_and_half(tmp_path, module, laaf.SlopeRecovery, logger=CSVLogger(tmp_path))
    assert module.asked == 0
    assert resumed.assumption is not None
    assert resumed.assumption.initial_objective == pytest.approx(initial, rel=1e-6)
    assert not any(key.startswith("theorem_2_1") for row in logged(tmp_path).values() for key in row)
    # once more from there, after validation too
    again = laaf.SlopeRecovery()
    one_epoch_trainer(again, max_epochs=2).fit(module, Batches(BATCHES), ckpt_path=path, weights_only=True)
    assert again.assumption == resumed.assumption


def test_the_resumed_log_goes_on_with_the_next_log_step(tmp_path: Path) -> None:
    half_and_half(
        tmp_path,
        adapted(PlainModule()),
        lambda: laaf.SlopeRecovery(log_every_n_steps=4),
        logger=CSVLogger(tmp_path),
    )
    # six steps were taken before; 8, 12 and 16 of 18 follow
    assert [step for step, row in logged(tmp_path).items() if "slope_recovery" in row] == [7, 11, 15]


def test_a_checkpoint_with_an_infinite_number_loads_with_weights_only(tmp_path: Path) -> None:
    resumed, path = half_and_half(tmp_path, adapted(KnowsItsConstant()), lambda: laaf.SlopeRecovery(1.0, "identity"))
    assert resumed.assumption is not None
    assert resumed.assumption.recovery_at_zero == float("inf")
    state = torch.load(path, weights_only=True)
    assert TheoremAssumption(**state["laaf_lightning.SlopeRecovery"]["assumption"]) == resumed.assumption


def test_a_checkpoint_of_a_run_without_the_callback_resumes_with_it(tmp_path: Path) -> None:
    module = adapted(KnowsItsConstant())
    twin = copy.deepcopy(module)
    plain = one_epoch_trainer()
    plain.fit(copy.deepcopy(module), Batches(BATCHES))
    plain.save_checkpoint(tmp_path / "plain.ckpt")
    callback = laaf.SlopeRecovery(0.7)
    trainer = one_epoch_trainer(callback, max_epochs=2)
    trainer.fit(module, Batches(BATCHES), ckpt_path=tmp_path / "plain.ckpt", weights_only=True)
    plain_loop(
        twin, BATCHES * 2, lambda loss, step: loss + (0.7 * oracle_recovery(twin) if step >= len(BATCHES) else 0)
    )
    assert_equal_parameters(module, twin)
    assert callback.assumption is None, "the network that it saw first was trained already"


def test_a_new_run_of_the_same_callback_measures_anew() -> None:
    callback = laaf.SlopeRecovery()
    numbers = []
    for batches in (BATCHES, BATCHES[1:]):
        one_epoch_trainer(callback).fit(adapted(KnowsItsConstant()), Batches(batches))
        numbers.append(callback.assumption)
    assert None not in numbers
    assert numbers[0] != numbers[1]
    one_epoch_trainer(callback).fit(adapted(KnowsItsConstant(), "fixed"), Batches(BATCHES))
    assert callback.assumption is None, "the numbers of another run"


def test_going_on_with_the_same_trainer_keeps_the_numbers() -> None:
    callback = laaf.SlopeRecovery()
    trainer = one_epoch_trainer(callback)
    module = adapted(KnowsItsConstant())
    trainer.fit(module, Batches(BATCHES))
    before = callback.assumption
    trainer.fit_loop.max_epochs = 2
    trainer.fit(module, Batches(BATCHES))
    assert trainer.global_step == 2 * len(BATCHES)
    assert callback.assumption == before is not None
    assert module.asked == 1
