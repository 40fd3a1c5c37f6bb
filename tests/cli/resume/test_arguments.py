from __future__ import annotations

from pathlib import Path

import pytest

from laaf_lightning import ConfigurationError
from laaf_lightning.cli.resume.arguments import with_resumed_config


@pytest.mark.parametrize("form", [["--resume", "a run"], ["--resume=a run"]])
def test_a_run_brings_its_configuration(form: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a run").mkdir()
    Path("a run/config.yaml").touch()
    said = with_resumed_config(["fit", *form, "--trainer.max_steps", "5"])
    assert said[:3] == ["fit", "--config", "a run/config.yaml"]
    assert said[3:] == [*form, "--trainer.max_steps", "5"]


@pytest.mark.parametrize(
    ("args", "parsed"),
    [
        ("fit --config a.yaml --resume", "fit --config a.yaml --resume newest"),
        ("fit --resume --config=a.yaml", "fit --resume newest --config=a.yaml"),
        ("fit -c a.yaml --resume run", "fit -c a.yaml --resume run"),
        ("fit --config a.yaml", "fit --config a.yaml"),
        ("test --config a.yaml --resume", "test --config a.yaml --resume"),
        ("", ""),
    ],
)
def test_what_stands_among_the_arguments(args: str, parsed: str) -> None:
    assert with_resumed_config(args.split()) == parsed.split()


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--resume \S+: this folder has no config.yaml; name the folder of"):
        with_resumed_config(["fit", "--resume", str(tmp_path)])
    with pytest.raises(ConfigurationError, match="there is no such folder"):
        with_resumed_config(["fit", "--resume", str(tmp_path / "none")])
    with pytest.raises(ConfigurationError, match="name it with --config, or the run with --resume RUN"):
        with_resumed_config(["fit", "--resume"])


def test_a_file_is_not_a_run(tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    file.touch()
    with pytest.raises(ConfigurationError, match=r"names a file: name the folder of its run, or give --ckpt_path"):
        with_resumed_config(["fit", "--resume", str(file)])
