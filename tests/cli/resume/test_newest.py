from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from laaf_lightning import ConfigurationError
from laaf_lightning.cli.resume.newest import checkpoint_to_resume

LABEL = "layer-n1"


def saved(file: Path, at: int, **content: Any) -> Path:
    """Write a checkpoint, and a run's configuration, as if at some second."""
    file.parent.mkdir(parents=True, exist_ok=True)
    (file.parent.parent / "config.yaml").touch()
    torch.save({"state_dict": {}, "optimizer_states": [], "loops": {}, "global_step": at, **content}, file)
    os.utime(file, (at, at))
    return file


def config(root: Path, resume: str | None = "newest", **others: Any) -> dict[str, Any]:
    settings = {"save_dir": str(root), "name": "job", "version": None}
    logger = {"class_path": "pytorch_lightning.loggers.TensorBoardLogger", "init_args": settings}
    return {"resume": resume, "trainer": {"logger": logger}, **others}


def test_the_newest_of_a_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    saved(run / "checkpoints" / "best-step=3.ckpt", 3)
    newest = saved(run / "checkpoints" / "last.ckpt", 5)
    assert checkpoint_to_resume(config(tmp_path, str(run)), LABEL) == (newest, 5, [])
    assert checkpoint_to_resume(config(tmp_path, None), LABEL) is None


def test_what_is_not_whole_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    whole = saved(folder / "best-step=3.ckpt", 3)
    torch.save({"state_dict": {}}, folder / "weights.ckpt")
    (folder / "last.ckpt").write_bytes(whole.read_bytes()[:700])
    found = checkpoint_to_resume(config(tmp_path, str(tmp_path / "run")), LABEL)
    assert found is not None
    assert found.file == whole
    assert sorted("weights alone" in reason for reason in found.passed_over) == [False, True]
    whole.unlink()
    with pytest.raises(
        ConfigurationError, match=r"no whole checkpoint in \S+ \(.*weights alone.*\); leave --resume out"
    ):
        checkpoint_to_resume(config(tmp_path, str(tmp_path / "run")), LABEL)


def test_the_newest_run_of_a_configuration(tmp_path: Path) -> None:
    job = tmp_path / "job" / LABEL
    saved(job / "one" / "checkpoints" / "last.ckpt", 1)
    two = saved(job / "two" / "checkpoints" / "last.ckpt", 2)
    saved(tmp_path / "job" / "fixed" / "three" / "checkpoints" / "last.ckpt", 3)  # of another configuration
    (job / "four").mkdir()
    (job / "four" / "config.yaml").touch()  # was cut off before its first checkpoint
    found = checkpoint_to_resume(config(tmp_path), LABEL)
    assert found is not None
    assert found.file == two
    with pytest.raises(
        ConfigurationError, match=r"no run with a whole checkpoint in \S+/job/neuron; leave --resume out"
    ):
        checkpoint_to_resume(config(tmp_path), "neuron")


@pytest.mark.parametrize("other", ["ckpt_path", "init_from"])
def test_not_beside_another_checkpoint(other: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"--resume newest and --{other} a.ckpt exclude each other"):
        checkpoint_to_resume(config(tmp_path, **{other: "a.ckpt"}), LABEL)


def test_runs_at_an_address_are_not_searched() -> None:
    settings = config(Path("x"))
    settings["trainer"]["logger"]["init_args"]["save_dir"] = "s3://bucket"
    with pytest.raises(ConfigurationError, match="needs a local logger"):
        checkpoint_to_resume(settings, LABEL)
