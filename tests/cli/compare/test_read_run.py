from __future__ import annotations

from pathlib import Path

import pytest

from laaf_lightning import ConfigurationError
from laaf_lightning.cli.compare.read_run import read_runs
from tests.cli.compare.made_runs import config, make_run, outcome


def test_a_folder_above_runs_is_all_below_it_each_once(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / "job" / label / "now", ended=outcome()) for label in ("a", "b")]
    make_run(tmp_path / "job" / "validated", {**config(), "verbose": True}, outcome(seconds=None))
    make_run(tmp_path / "job" / "predicted", {**config(), "return_predictions": None})
    make_run(tmp_path / "job" / "foreign", {"server": "of something else"})
    (tmp_path / "job" / "empty").mkdir()
    assert [run.folder for run in read_runs([folders[1], tmp_path / "job", folders[0]])] == [folders[1], folders[0]]


def test_what_a_run_holds(tmp_path: Path) -> None:
    finished = make_run(tmp_path / "a", ended=outcome(val__relative_l2=0.25))
    killed = make_run(tmp_path / "b", curves={"train/loss": {0: 2.0, 40: 1.0}, "val/relative_l2": {30: 0.5}})
    nothing = make_run(tmp_path / "c")
    runs = read_runs([finished, killed, nothing])
    assert [run.steps for run in runs] == [600, 40, None]
    assert [dict(run.metrics) for run in runs] == [{"val/relative_l2": 0.25}, {}, {}]


def refused(*paths: Path) -> str:
    with pytest.raises(ConfigurationError) as error:
        read_runs(paths)
    return str(error.value)


def test_a_path_without_a_run_is_named_with_what_was_looked_for(tmp_path: Path) -> None:
    way_out = "name folders of runs that laaf fit has made, or leave this one out"
    looked_for = "config.yaml beside outcome.json, events.out.tfevents.* or metrics.csv"
    assert f"no runs in {tmp_path}: looked for folders with {looked_for}; {way_out}" == refused(tmp_path)
    assert f"{tmp_path / 'a'} does not exist: expected the folder of a run ({looked_for})" in refused(tmp_path / "a")
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "file is a file: expected the folder of a run" in refused(tmp_path / "file")
    foreign = make_run(tmp_path / "foreign", {"server": "of something else"})
    assert f"{foreign} is not the folder of a training run" in refused(foreign)
    assert way_out in refused(foreign)


def test_a_damaged_run_is_named_wherever_it_lies(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "job" / "run", ended=outcome())
    for file, text, kind in [
        ("outcome.json", '{"metrics": {"val', "JSONDecodeError"),
        ("outcome.json", '{"steps": 3}', "KeyError"),
        ("outcome.json", "[]", "TypeError"),
        ("outcome.json", '{"metrics": null}', "TypeError"),
        ("config.yaml", "model: {", "ParserError"),
    ]:
        (folder / file).write_text(text, encoding="utf-8")
        for path in (folder, tmp_path):
            sentence = refused(path)
            assert f"the run {folder} is damaged: {file} was looked for, and cannot be read ({kind}" in sentence
            assert "leave the run out" in sentence
    (folder / "config.yaml").unlink()
    assert f"the run {folder} is damaged: config.yaml is missing beside outcome.json" in refused(folder)
