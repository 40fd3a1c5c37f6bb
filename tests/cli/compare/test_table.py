from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from laaf_lightning.cli.compare.comparison import Comparison, compare_runs
from laaf_lightning.cli.compare.table import Spread
from tests.cli.compare.made_runs import config, make_run, outcome

LOSS = {"train/loss": {0: 4.0, 10: 2.0}}


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    """Two methods of three seeds, one of which was killed."""
    monkeypatch.chdir(tmp_path)
    for seed, (error, best) in enumerate([(0.3, 0.25), (0.1, 0.1), (0.2, 0.125)]):
        ended = outcome(seconds=4.0 + seed, best=best, val__relative_l2=error)
        make_run(Path(f"runs/layer{seed}"), config(seed=seed), ended, LOSS)
    for seed in (0, 1):
        make_run(Path(f"runs/fixed{seed}"), config("fixed", seed), outcome(val__relative_l2=0.25 + seed), LOSS)
    make_run(Path("runs/fixed2"), config("fixed", 2), None, LOSS)
    return compare_runs(["runs"])


def test_the_median_and_the_range_over_seeds() -> None:
    assert Spread.of([0.3, 0.1, 0.2]) == Spread(0.2, 0.1, 0.3)
    assert Spread.of([4.0, 1.0, None, 2.0, 3.0]) == Spread(2.5, 1.0, 4.0)
    assert Spread.of([None]) is None


def test_a_diverged_run_counts_as_the_worst() -> None:
    error = Spread.of([math.nan, 0.1, 0.2])
    accuracy = Spread.of([0.9, math.nan, 0.8], higher_is_better=True)
    assert error is not None
    assert accuracy is not None
    assert (error.median, error.lowest, accuracy.median, accuracy.highest) == (0.2, 0.1, 0.8, 0.9)
    assert math.isnan(error.highest)
    assert math.isnan(accuracy.lowest)


def test_rows_hold_the_numbers_better_first(compared: Comparison) -> None:
    layer, fixed = compared.rows
    assert (layer.method, layer.finished, layer.unfinished, layer.seeds) == ("L-LAAF", 3, 0, 3)
    assert (layer.final, layer.best, layer.loss) == (Spread(0.2, 0.1, 0.3), Spread(0.125, 0.1, 0.25), Spread(2, 2, 2))
    assert (layer.seconds, layer.steps) == (Spread(5, 4, 6), Spread(600, 600, 600))
    assert (layer.settings, fixed.settings) == ("scope=layer", "scope=fixed")
    assert (fixed.method, fixed.finished, fixed.unfinished, fixed.seeds) == ("fixed", 2, 1, 3)
    assert fixed.final == Spread(0.75, 0.25, 1.25)


def test_the_markdown_has_a_line_a_method(compared: Comparison) -> None:
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in compared.markdown().splitlines()]
    assert len({len(line) for line in compared.markdown().splitlines()}) == 1
    assert lines[0] == ["method", "seeds", "relative L2 error", "best", "train/loss", "seconds", "steps", "settings"]
    assert {*"".join(lines[1])} == {"-"}
    assert lines[2:] == [
        ["L-LAAF", "3", "0.200 (0.100–0.300)", "0.125 (0.100–0.250)", "2.00", "5.0 (4.0–6.0)", "600", "scope=layer"],
        ["fixed", "3, 1 not finished", "0.750 (0.250–1.25)", "", "2.00", "5.0", "600", "scope=fixed"],
    ]


def test_the_csv_has_a_line_a_run(compared: Comparison) -> None:
    rows = list(csv.DictReader(compared.csv().splitlines()))
    assert [row["run"] for row in rows] == [f"runs/{name}{seed}" for name in ("layer", "fixed") for seed in range(3)]
    head = [
        "run",
        "method",
        "seed",
        "state",
        "val/relative_l2",
        "best",
        "train/loss",
        "seconds",
        "steps",
        "engine",
        "scope",
    ]
    assert list(rows[0]) == head
    assert [*rows[0].values()][1:] == ["L-LAAF", "0", "finished", "0.3", "0.25", "2.0", "4.0", "600", "", "layer"]
    assert {**rows[-1]}.items() >= {"state": "not finished", "val/relative_l2": "", "steps": "10"}.items()


def test_accuracies_are_sorted_downwards_and_what_is_not_finished_comes_last(tmp_path: Path) -> None:
    for scope, accuracy in [("fixed", 0.9), ("layer", 0.975), ("global", math.nan)]:
        make_run(tmp_path / scope, config(scope), outcome(test__accuracy=accuracy, val__accuracy=0.5))
    make_run(tmp_path / "neuron", config("neuron"), None, {"val/accuracy": {0: 0.5}, "test/accuracy": {0: 1.0}})
    comparison = compare_runs([tmp_path])
    assert [row.method.partition(",")[0] for row in comparison.rows] == ["L-LAAF", "fixed", "GAAF", "N-LAAF"]
    lines = comparison.markdown().splitlines()
    assert "test accuracy" in lines[0]
    assert [line.split("|")[3].strip() for line in lines[2:]] == ["97.50%", "90.00%", "nan%", "not finished"]
    assert lines[-1].split("|")[2].strip() == "1, not finished"


def test_one_seed_twice_and_columns_of_one_name(tmp_path: Path) -> None:
    for number in range(2):
        make_run(tmp_path / f"a{number}", config(seed=1, steps=1, off_after=None), outcome(), LOSS)
    make_run(tmp_path / "b", config(seed=1, steps=2, off_after=None, loss="a|b"), outcome(), LOSS)
    comparison = compare_runs([tmp_path])
    assert comparison.metric.tag == "train/loss"
    assert [row.seeds for row in comparison.rows] == [1, 1]
    assert "| 1 (2 runs) |" in comparison.markdown()
    assert comparison.csv().splitlines()[0].endswith("steps,engine,steps (setting)")
    np.testing.assert_equal([row.loss for row in comparison.rows], [Spread(2, 2, 2)] * 2)


def test_engines_are_told(tmp_path: Path) -> None:
    for number, engine in enumerate(["Taylor mode", "Taylor mode", "a | b"]):
        make_run(tmp_path / str(number), config(seed=number), {**outcome(), "engine": engine}, LOSS)
    (row,) = compare_runs([tmp_path]).rows
    assert row.engine == "Taylor mode / a | b"
    assert r"Taylor mode / a \| b" in compare_runs([tmp_path]).markdown()


def test_the_errors_of_single_unknowns_stand_beside_that_of_all(tmp_path: Path) -> None:
    ended = outcome(val__relative_l2=0.1, val__relative_l2_p=0.2, val__absolute_l2_v=0.5)
    make_run(tmp_path / "run", config(), ended, LOSS)
    comparison = compare_runs([tmp_path])
    head, _, row = ([cell.strip() for cell in line.split("|")[1:-1]] for line in comparison.markdown().splitlines())
    assert (head[2:5], row[2:5]) == (["relative L2 error", "of p", "of v (absolute)"], ["0.100", "0.200", "0.500"])
    (line,) = csv.DictReader(comparison.csv().splitlines())
    assert (line["val/relative_l2_p"], line["val/absolute_l2_v"]) == ("0.2", "0.5")
