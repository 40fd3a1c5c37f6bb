from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from laaf_lightning import ConfigurationError
from laaf_lightning.cli.compare.scalars import read_scalars
from tests.cli.compare.made_runs import make_run

CURVES = {"train/loss": {0: 4.0, 10: 2.0, 20: 1.0}, "slope/act.10/mean": {10: 1.5}, "slope/act.9/mean": {10: 1.25}}


@pytest.mark.parametrize("as_csv", [False, True])
def test_events_and_csv_give_the_same_curves(tmp_path: Path, as_csv: bool) -> None:
    curves = read_scalars(make_run(tmp_path / "run", curves=CURVES, as_csv=as_csv))
    assert {tag: dict(zip(c.steps.tolist(), c.values.tolist(), strict=True)) for tag, c in curves.items()} == {
        **({"epoch": {0: 0, 10: 0, 20: 0}} if as_csv else {}),
        **CURVES,
    }
    slopes = [tag for tag in curves if tag.startswith("slope")]
    assert slopes == (
        ["slope/act.9/mean", "slope/act.10/mean"] if as_csv else ["slope/act.10/mean", "slope/act.9/mean"]
    )


def test_more_values_than_tensorboard_keeps_by_default_and_the_last_of_a_step(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", curves={"train/loss": {step: step / 2 for step in range(10_500)}})
    from torch.utils.tensorboard.writer import SummaryWriter

    with SummaryWriter(str(folder), filename_suffix=".later") as writer:
        writer.add_scalar("train/loss", -1.0, 7)
    curve = read_scalars(folder)["train/loss"]
    np.testing.assert_array_equal(curve.steps, np.arange(10_500))
    assert curve.values[7] == -1.0
    np.testing.assert_array_equal(np.delete(curve.values, 7), np.delete(np.arange(10_500) / 2, 7))


def test_event_files_of_a_killed_run_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", curves={"train/loss": {step: 1.0 + step for step in range(100)}})
    (file,) = folder.glob("events*")
    file.write_bytes(file.read_bytes()[:-30])
    curve = read_scalars(folder)["train/loss"]
    assert 90 <= len(curve.steps) < 100
    np.testing.assert_array_equal(curve.values, 1.0 + curve.steps)
    file.write_bytes(b"no events at all, but long enough to be taken for some")
    assert read_scalars(folder) == {}
    file.write_bytes(b"")
    assert read_scalars(folder) == {}


def test_a_csv_file_may_end_anywhere_and_holds_what_is_no_number(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "metrics.csv").write_text("step,a,b\n0,1,\n1,nan,inf\n2,broken,3\n3,4", encoding="utf-8")
    curves = read_scalars(folder)
    assert curves["a"].steps.tolist() == [0, 1, 3]
    np.testing.assert_array_equal(curves["a"].values, [1, np.nan, 4])
    assert (curves["b"].steps.tolist(), curves["b"].values.tolist()) == ([1, 2], [np.inf, 3])


def test_a_foreign_csv_file_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "metrics.csv").write_text("time,loss\n0,1\n", encoding="utf-8")
    with pytest.raises(
        ConfigurationError, match=r"metrics\.csv is not a log .*time, loss.*'step' was looked for; leave"
    ):
        read_scalars(folder)
    (folder / "metrics.csv").write_bytes(b"step,\xff\n")
    with pytest.raises(ConfigurationError, match=r"the logs of the run .*run cannot be read .*leave the run out"):
        read_scalars(folder)
    (folder / "metrics.csv").write_text("step,a\n0," + "1" * (csv.field_size_limit() + 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_scalars(folder)
    (folder / "metrics.csv").write_text("", encoding="utf-8")
    assert read_scalars(folder) == {}
