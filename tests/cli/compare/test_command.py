from __future__ import annotations

import re
from pathlib import Path

import pytest

from laaf_lightning import ConfigurationError
from laaf_lightning.cli import main
from tests.cli.command import TINY, laaf
from tests.cli.compare.made_runs import config, make_run, outcome

CURVES = {
    "train/loss": {0: 4.0, 10: 2.0},
    "val/relative_l2": {0: 1.0, 10: 0.5},
    "slope/act/mean": {0: 1.0, 10: 1.1},
}


@pytest.fixture
def runs(workplace: Path) -> Path:
    make_run(workplace / "runs/layer", config(), outcome(val__relative_l2=0.5), CURVES)
    make_run(workplace / "runs/fixed", config("fixed"), outcome(val__relative_l2=0.75))
    return workplace / "runs"


def compare(*args: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["compare", *args])
    assert end.value.code == 0


def test_table_and_figures_are_shown_and_written(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare("runs")
    said = capsys.readouterr().out
    (folder,) = Path("compare").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d", folder.name)
    files = ["comparison.md", "comparison.csv", "losses.png", "metric.png", "slopes_L-LAAF.png"]
    assert sorted(file.name for file in folder.iterdir()) == sorted(files)
    assert said.splitlines()[-1] == f"wrote {', '.join(files)} in {folder}"
    table = [line for line in said.splitlines() if line.startswith("|")]
    page = (folder / "comparison.md").read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("|")] == table
    assert page.count("![") == 3
    assert "No curves were logged in runs/fixed." in said
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in folder.glob("*.png"))


def test_two_comparisons_of_one_second_have_two_folders(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "now")
    compare("runs")
    compare("runs/layer", "runs/fixed")
    assert sorted(folder.name for folder in Path("compare").iterdir()) == ["now", "now-1"]


def test_nothing_is_overwritten(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("new").mkdir()
    compare("runs", "--to", "new", "--loss", "val/relative_l2")
    sentence = "--to new is not empty, and nothing is overwritten: name a new folder"
    assert refused(capsys, "runs", "--to", "new").startswith(sentence)
    Path("file").write_text("", encoding="utf-8")
    assert refused(capsys, "runs", "--to", "file").startswith("--to file is a file: name a new folder")
    assert refused(capsys, "runs", "--to", "file/below").startswith("cannot write to file/below: ")


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    capsys.readouterr()
    with pytest.raises(ConfigurationError) as error:
        main(["compare", *args])
    assert capsys.readouterr().out == ""
    return str(error.value)


def test_a_refused_comparison_leaves_nothing_behind(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "run").startswith("run does not exist")
    assert refused(capsys, "runs", "--loss", "mine").startswith("--loss mine: no run has logged it")
    assert not Path("compare").exists()


def test_the_help_names_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    compare("--help")
    text = capsys.readouterr().out
    assert all(word in text for word in ("RUN", "--to DIR", "--loss TAG", "usage: laaf compare"))


def test_runs_of_the_command_line_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    steps = ("--trainer.max_steps=3", "--trainer.limit_val_batches=1", "--data.steps_per_epoch=1")
    for scope in ("fixed", "neuron"):
        laaf("fit", *TINY, *steps, f"--model.scope={scope}", "--epoch_train_loss.enabled=true")
    capsys.readouterr()
    compare("runs", "--to", "seen")
    said = capsys.readouterr().out
    assert {line.split()[1] for line in said.splitlines()[2:4]} == {"fixed", "N-LAAF"}
    assert "epoch_train_loss" in said.splitlines()[0]
    files = {file.name for file in Path("seen").iterdir()}
    assert files == {"comparison.md", "comparison.csv", "losses.png", "metric.png", "slopes_N-LAAF.png"}
