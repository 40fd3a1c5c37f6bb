from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from laaf_lightning.cli.compare.comparison import compare_runs
from laaf_lightning.cli.compare.draw import loss_curves, on_common_steps, slope_history
from laaf_lightning.cli.compare.scalars import Curve
from tests.cli.compare.made_runs import config, make_run, outcome

Numbers = dict[int, float]


def line(figure: Figure, number: int = 0) -> tuple[list[float], list[float]]:
    drawn = figure.axes[0].get_lines()[number]
    return np.asarray(drawn.get_xdata()).tolist(), np.asarray(drawn.get_ydata()).tolist()


def legend(figure: Figure) -> list[str]:
    shown = figure.axes[0].get_legend()
    assert shown is not None
    return [text.get_text() for text in shown.get_texts()]


def test_curves_are_put_on_the_fewest_steps_in_the_common_range() -> None:
    dense = Curve(np.arange(0, 101, 10), np.arange(0, 101, 10.0))
    sparse = Curve(np.array([5, 25, 55, 205]), np.array([1.0, 2.0, 3.0, 4.0]))
    together = on_common_steps([dense, sparse])
    assert together is not None
    assert together[0].tolist() == [5, 25, 55]
    assert together[1].tolist() == [[5.0, 25.0, 55.0], [1.0, 2.0, 3.0]]
    assert on_common_steps([dense, Curve(np.array([100, 200]), np.zeros(2))]) is None
    assert on_common_steps([]) is None


def test_a_run_that_was_killed_is_a_curve_of_its_own(tmp_path: Path) -> None:
    losses: list[Numbers] = [{0: 4.0, 10: 2.0, 20: 1.0}, {0: 8.0, 10: 4.0, 20: 3.0}, {0: 5.0, 10: 5.0}]
    for seed, values in enumerate(losses):
        make_run(tmp_path / str(seed), config(seed=seed), outcome() if seed < 2 else None, {"train/loss": values})
    make_run(tmp_path / "worse", config("fixed"), outcome(), {"train/loss": {0: 9.0, 10: 9.0}})
    comparison = compare_runs([tmp_path])
    curves = loss_curves(comparison.methods, "train/loss")
    assert {label: (steps.tolist(), values.tolist()) for label, (steps, values) in curves.items()} == {
        "L-LAAF": ([0, 10, 20], [[4.0, 2.0, 1.0], [8.0, 4.0, 3.0]]),
        "fixed": ([0, 10], [[9.0, 9.0]]),
        "L-LAAF (not finished)": ([0, 10], [[5.0, 5.0]]),
    }
    figures = comparison.figures()
    assert list(figures) == ["losses"]
    assert legend(figures["losses"]) == ["L-LAAF", "fixed", "L-LAAF (not finished)"]
    assert line(figures["losses"]) == ([0, 10, 20], [6.0, 3.0, 2.0])


def test_runs_of_a_method_without_common_steps_are_drawn_alone(tmp_path: Path) -> None:
    parts: list[Numbers] = [{0: 4.0, 10: 2.0}, {20: 1.0, 30: 0.5}, {40: 1.0}]
    for number, values in enumerate(parts):
        make_run(tmp_path / str(number) / "part", config(), outcome(), {"train/loss": values})
    curves = loss_curves(compare_runs([tmp_path]).methods, "train/loss")
    assert {label: steps.tolist() for label, (steps, _) in curves.items()} == {
        "L-LAAF, part": [0, 10],
        "L-LAAF, part-2": [20, 30],
    }


def test_the_validation_metric_is_drawn_and_of_accuracies_what_is_missing(tmp_path: Path) -> None:
    for name, (tag, values) in {
        "error": ("val/relative_l2", {0: 0.5, 10: 0.25}),
        "accuracy": ("val/accuracy", {0: 0.5, 10: 0.75}),
    }.items():
        make_run(tmp_path / name, ended=outcome(**{tag.replace("/", "__"): values[10]}), curves={tag: values})
    figures = [compare_runs([tmp_path / name]).figures() for name in ("error", "accuracy")]
    assert [list(drawn) for drawn in figures] == [["metric"], ["metric"]]
    assert [line(drawn["metric"]) for drawn in figures] == [([0, 10], [0.5, 0.25])] * 2
    assert [drawn["metric"].axes[0].get_ylabel() for drawn in figures] == [
        "relative L2 error",
        "1 − validation accuracy",
    ]


def test_slopes_of_the_first_seed_of_every_method(tmp_path: Path) -> None:
    for seed in (2, 1):
        curves: dict[str, Numbers] = {
            "slope/act.0/mean": {0: 1.0, 10: 1.0 + seed},
            "slope/act.1/mean": {0: 1.0, 10: 2.0, 20: 9.0},
            "slope/act.1/std": {0: 0.0, 10: 0.5},
        }
        make_run(tmp_path / f"layer{seed}", config(seed=seed), outcome(val__relative_l2=0.1), curves)
    make_run(tmp_path / "fixed", config("fixed"), outcome(val__relative_l2=0.2))
    make_run(
        tmp_path / "off", config(off_after=None), outcome(val__relative_l2=0.3), {"slope/a/mean": {0: 1.0, 1: 1.0}}
    )
    comparison = compare_runs([tmp_path])
    history = slope_history(comparison.methods[0].runs[0])
    assert history is not None
    assert (history.steps.tolist(), history.names) == ([0, 10], ("act.0", "act.1"))
    assert history.mean.tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert history.std is not None
    assert history.std.tolist() == [[0.0, 0.0], [0.0, 0.5]]
    figures = comparison.figures()
    assert list(figures) == ["slopes_L-LAAF-S-off-after-100", "slopes_L-LAAF-S-off"]
    assert figures["slopes_L-LAAF-S-off-after-100"].get_suptitle() == "L-LAAF, S off after 100: seed 1"


def test_slopes_of_one_step_are_no_figure(tmp_path: Path) -> None:
    make_run(tmp_path / "run", ended=outcome(val__relative_l2=0.1), curves={"slope/act/mean": {0: 1.0}})
    assert compare_runs([tmp_path]).figures() == {}


def test_long_labels_have_several_lines_and_short_file_names(tmp_path: Path) -> None:
    for number in range(2):
        settings = config()
        settings["model"]["init_args"] |= dict.fromkeys(("a" * 30, "b" * 30, "c" * 30), number)
        curves: dict[str, Numbers] = {"train/loss": {0: 2.0, 1: 1.0}, "slope/a/mean": {0: 1.0, 1: 1.0}}
        make_run(tmp_path / str(number) / ("run" * 20), settings, outcome(), curves)
    other: dict[str, Numbers] = {"train/loss": {5: 2.0, 6: 1.0}}
    make_run(tmp_path / "2" / ("run" * 20), settings, outcome(), other)
    figures = compare_runs([tmp_path]).figures()
    assert max(map(len, figures)) <= len("slopes_") + 60
    assert max(len(text) for label in legend(figures["losses"]) for text in label.splitlines()) <= 60
    assert any("\n" in label for label in legend(figures["losses"]))


def test_labels_that_make_one_file_name_are_numbered(tmp_path: Path) -> None:
    for number, word in enumerate(["x:y", "x y"]):
        make_run(
            tmp_path / str(number), config(word=word), outcome(val__loss=number), {"slope/a/mean": {0: 1.0, 1: 1.0}}
        )
    assert list(compare_runs([tmp_path]).figures()) == ["slopes_word-x-y", "slopes_word-x-y-2"]
