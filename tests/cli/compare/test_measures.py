from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laaf_lightning import ConfigurationError
from laaf_lightning.cli.compare.measures import Measure, choose_loss, choose_metric
from laaf_lightning.cli.compare.read_run import Run
from laaf_lightning.cli.compare.scalars import Curve
from tests.cli.compare.made_runs import config, outcome


def run(*tags: str, best: float | None = None, name: str = "run", **metrics: float) -> Run:
    curves = {tag: Curve(np.array([0, 5]), np.array([2.0, 1.0])) for tag in tags}
    ended = outcome(best=best, **metrics) if metrics else None
    return Run(Path(name), config(), ended, curves)


def test_errors_and_accuracies_go_before_losses_and_tests_before_validations() -> None:
    both = run("train/loss", val__accuracy=0.5, test__accuracy=0.25, val__loss=1.0)
    assert choose_metric([both], "train/loss").tag == "test/accuracy"
    assert choose_metric([both, run("val/accuracy", "val/loss")], "train/loss").tag == "val/accuracy"
    assert choose_metric([run(val__mine=1.0)], "train/loss").tag == "val/mine"
    assert choose_metric([run("train/loss"), run("val/loss")], "train/loss").tag == "val/loss"
    assert choose_metric([run("train/loss"), run()], "train/loss").tag == "train/loss"


def test_the_direction_is_known() -> None:
    known = {"val/relative_l2": False, "train/loss": False, "test/accuracy": True, "val/lambda_error": False}
    assert {tag: Measure(tag).higher_is_better for tag in known} == known


def test_jobs_without_a_common_metric_are_refused() -> None:
    images, points = run(val__accuracy=0.5, val__loss=1.0, name="mnist"), run(val__relative_l2=0.1, name="burgers")
    with pytest.raises(ConfigurationError) as error:
        choose_metric([images, points, points], "train/loss")
    assert str(error.value) == (
        "these runs share no metric to be compared by: mnist has val/accuracy, val/loss; burgers has val/relative_l2; "
        "compare the runs of each job by themselves"
    )


def test_runs_that_logged_nothing_are_refused() -> None:
    runs = [run(name=f"run{number}") for number in range(5)]
    with pytest.raises(ConfigurationError, match=r"nothing to compare: run0, run1, run2 and others logged.*--loss TAG"):
        choose_metric(runs, choose_loss(runs, None))


def test_final_and_best_values() -> None:
    metric = Measure("val/relative_l2")
    assert (metric.final(run(val__relative_l2=0.1)), metric.final(run("val/relative_l2")), metric.final(run())) == (
        0.1,
        1.0,
        None,
    )
    ended = run(val__relative_l2=0.1, best=0.05)
    assert [Measure(tag).best(ended) for tag in ("val/relative_l2", "test/relative_l2", "val/loss")] == [
        0.05,
        0.05,
        None,
    ]
    assert metric.best(run()) is None


@pytest.mark.parametrize(
    ("runs", "asked", "expected"),
    [
        ([("train/loss", "epoch_train_loss"), ("epoch_train_loss",)], None, "epoch_train_loss"),
        ([("train/loss", "epoch_train_loss"), ("train/loss",), ()], None, "train/loss"),
        ([("epoch_train_loss",), ("train/loss",)], None, "train/loss"),
        ([("other",)], None, None),
        ([()], None, None),
        ([("other", "train/loss"), ("train/loss",)], "other", "other"),
    ],
)
def test_the_loss_is_the_papers_where_all_have_it(runs: Any, asked: str | None, expected: str | None) -> None:
    assert choose_loss([run(*tags) for tags in runs], asked) == expected


def test_an_unknown_loss_lists_what_was_logged() -> None:
    with pytest.raises(ConfigurationError) as error:
        choose_loss([run("train/loss", "val/loss", "slope/act/mean")], "train/los")
    assert str(error.value) == (
        "--loss train/los: no run has logged it; logged are train/loss, val/loss; did you mean 'train/loss'?"
    )
