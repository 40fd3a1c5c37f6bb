"""The command line as a test calls it, and what it wrote, read back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from laaf_lightning.cli import LAAFCommandLine, cli, main

CONFIGS = Path(__file__).parents[2] / "configs"
QUIET = ("--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false")
# A regression that takes a third of a second: no validation, hence no figures.
TINY = (
    f"--config={CONFIGS / 'discontinuous_paper.yaml'}",
    "--model.width=4",
    "--model.depth=2",
    "--data.num_points=10",
    "--trainer.max_steps=2",
    "--trainer.log_every_n_steps=1",
    "--trainer.check_val_every_n_epoch=1",
    "--trainer.limit_val_batches=0",
)


def laaf(subcommand: str, *args: str) -> LAAFCommandLine:
    """Run the command line in this process."""
    return main([subcommand, *QUIET, *args])


def refusal(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """Run the console script in this process; return the one sentence with which it refuses."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["laaf", *args[:1], *(QUIET if len(args) > 1 else ()), *args[1:]])
        with pytest.raises(SystemExit) as end:
            cli()
    assert end.value.code == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("laaf: error: ")]
    assert len(said) == 1
    sentence = said[0].removeprefix("laaf: error: ")
    assert "Traceback" not in sentence
    assert len(sentence) < 1000
    return sentence


def folder_of(run: LAAFCommandLine) -> Path:
    """The folder of a run."""
    assert run.trainer.log_dir is not None
    return Path(run.trainer.log_dir)


def checkpoints_of(run: LAAFCommandLine) -> list[Path]:
    """All checkpoints of a run."""
    return sorted((folder_of(run) / "checkpoints").glob("*.ckpt"))


def checkpoint_of(run: LAAFCommandLine) -> Path:
    """The last checkpoint of a run."""
    (file,) = (file for file in checkpoints_of(run) if not file.name.startswith("best-"))
    return file


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Read the numbers that TensorBoard would show, by name and step."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    names = events.Tags()["scalars"]
    return {name: {event.step: event.value for event in events.Scalars(name)} for name in names}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
