from __future__ import annotations

import csv
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.loggers import CSVLogger

import laaf_lightning as laaf
from laaf_lightning.callbacks import TheoremAssumption
from tests.callbacks.plain_training import (
    Batch,
    Batches,
    PlainModule,
    adapted,
    one_epoch_trainer,
    oracle_recovery,
    regression_batches,
)

BATCHES = regression_batches()


class KnowsItsConstant(PlainModule):
    """Regression: the best constant is the mean, its loss the variance."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_with: list[Batch] = []

    def constant_network_loss(self, batch: Batch) -> Any:
        self.asked_with.append(batch)
        return batch[1].var(correction=0)


class HasHardConditions(PlainModule):
    asked = 0

    def constant_network_loss(self, batch: Batch) -> None:
        self.asked += 1


class TellsAFloat(PlainModule):
    def constant_network_loss(self, batch: Batch) -> float:
        return 0.25


def first_batch_numbers(module: Any, weight: float, *form: Any) -> tuple[float, float]:
    """J(Θ0) and J_c of the first batch."""
    with torch.no_grad():
        objective = module.loss(BATCHES[0]) + weight * oracle_recovery(module, *form)
    return float(objective), float(np.var(BATCHES[0][1].numpy()))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("operator", "at_zero"), [("exp", 1.0), ("softplus", 1 / math.log(2)), ("identity", math.inf)])
def test_the_numbers_are_the_first_batchs_for_every_form_of_the_term(
    operator: Any, at_zero: float, reduction: Any
) -> None:
    module = adapted(KnowsItsConstant())
    initial, constant = first_batch_numbers(module, 0.7, operator, reduction)
    callback = laaf.SlopeRecovery(0.7, operator, reduction)
    one_epoch_trainer(callback, max_epochs=2).fit(module, Batches(BATCHES))
    numbers = callback.assumption
    assert numbers is not None
    assert numbers.initial_objective == pytest.approx(initial, rel=1e-6)
    assert numbers.constant_network_loss == pytest.approx(constant, rel=1e-6)
    assert numbers.recovery_at_zero == pytest.approx(0.7 * at_zero / (2 if reduction == "sum" else 1))
    assert numbers.holds == (initial < constant + numbers.recovery_at_zero)
    assert len(module.asked_with) == 1
    assert all(map(torch.equal, module.asked_with[0], BATCHES[0]))


def test_a_line_search_and_accumulation_count_the_first_value_of_the_first_batch_only() -> None:
    for settings in ({"optimizer": "lbfgs"}, {"accumulate_grad_batches": 3}):
        module = adapted(KnowsItsConstant())
        module.optimizer = str(settings.pop("optimizer", "adam"))
        initial, _ = first_batch_numbers(module, 1.0)
        callback = laaf.SlopeRecovery()
        one_epoch_trainer(callback, **settings).fit(module, Batches(BATCHES))
        assert callback.assumption is not None
        assert callback.assumption.initial_objective == pytest.approx(initial, rel=1e-6)
        assert len(module.asked_with) == 1


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_module_that_cannot_tell_is_asked_once_and_nothing_is_recorded(tmp_path: Path, accumulate: int) -> None:
    module = adapted(HasHardConditions())
    callback = laaf.SlopeRecovery()
    logger = CSVLogger(tmp_path)
    one_epoch_trainer(callback, logger=logger, accumulate_grad_batches=accumulate).fit(module, Batches(BATCHES))
    assert module.asked == 1
    assert callback.assumption is None
    assert "theorem" not in next(tmp_path.rglob("metrics.csv")).read_text()


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`:UserWarning")  # meant here
def test_a_first_batch_without_a_loss_gives_no_numbers_and_neither_does_a_later_one() -> None:
    class SkipsTheFirst(KnowsItsConstant):
        def training_step(self, batch: Batch, batch_idx: int) -> Any:
            return self.loss(batch) if batch_idx else None

    module = adapted(SkipsTheFirst())
    callback = laaf.SlopeRecovery()
    one_epoch_trainer(callback).fit(module, Batches(BATCHES))
    assert module.asked_with == []
    assert callback.assumption is None


def test_a_module_without_the_method_is_left_alone() -> None:
    callback = laaf.SlopeRecovery()
    one_epoch_trainer(callback).fit(adapted(PlainModule()), Batches(BATCHES))
    assert callback.assumption is None


def test_a_float_is_a_number_too() -> None:
    callback = laaf.SlopeRecovery()
    one_epoch_trainer(callback).fit(adapted(TellsAFloat()), Batches(BATCHES))
    assert callback.assumption is not None
    assert callback.assumption.constant_network_loss == 0.25


@pytest.mark.parametrize("weight", [0.0, laaf.OffAfter(0.0)])
def test_without_weight_the_module_is_not_asked(weight: float | laaf.WeightSchedule) -> None:
    module = adapted(KnowsItsConstant())
    one_epoch_trainer(laaf.SlopeRecovery(weight)).fit(module, Batches(BATCHES))
    assert module.asked_with == []


def test_the_numbers_are_logged_at_step_zero_and_said_in_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = laaf.SlopeRecovery()
    with caplog.at_level(logging.INFO):
        one_epoch_trainer(callback, logger=CSVLogger(tmp_path)).fit(adapted(KnowsItsConstant()), Batches(BATCHES))
    numbers = callback.assumption
    assert numbers is not None
    with next(tmp_path.rglob("metrics.csv")).open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["theorem_2_1/holds"]]
    assert [row["step"] for row in rows] == ["0"]
    assert {key: float(value) for key, value in rows[0].items() if "theorem" in key} == numbers.metrics()
    assert [record.message for record in caplog.records if "Theorem" in record.message] == [
        f"Slope recovery: {numbers.in_words()}."
    ]


def test_the_sentence_gives_verdict_and_numbers_and_says_where_s_is_infinite() -> None:
    assert str(TheoremAssumption(1.5, 0.75, 1.0)) == (
        "assumption of Theorem 2.1 holds: J(Θ0) = 1.5, J_c + W_a·S(0) = 0.75 + 1"
    )
    assert str(TheoremAssumption(1.75, 0.75, 1.0)) == (
        "assumption of Theorem 2.1 does not hold: J(Θ0) = 1.75, J_c + W_a·S(0) = 0.75 + 1"
    )
    assert str(TheoremAssumption(2.0, 0.5, math.inf)).endswith("0.5 + inf (S(0) is infinite for this operator)")


def test_in_words_it_says_what_the_numbers_mean_and_whether_to_act() -> None:
    assert TheoremAssumption(1.5, 0.75, 1.0).in_words() == (
        "the first loss, 1.5, was below that of the best constant network plus W_a·S(0), 0.75 + 1, so that Theorem 2.1 "
        "rules out an end at a suboptimal constant; nothing to do"
    )
    assert TheoremAssumption(1.75, 0.75, 1.0).in_words() == (
        "Theorem 2.1 promises nothing for this run, since the first loss, 1.75, was not below that of the best "
        "constant network plus W_a·S(0), 0.75 + 1; that is common, and nothing to act on unless the loss "
        "stays near 0.75"
    )


def test_metrics_leave_an_infinite_number_out_and_keep_the_verdict() -> None:
    assert TheoremAssumption(2.0, 0.5, math.inf).metrics() == {
        "theorem_2_1/initial_objective": 2.0,
        "theorem_2_1/constant_network_loss": 0.5,
        "theorem_2_1/holds": 1.0,
    }
