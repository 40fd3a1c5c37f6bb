"""The newest whole checkpoint of a run, or of the runs of a configuration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from laaf_lightning.cli.resume.arguments import NEWEST, config_of
from laaf_lightning.cli.run.folder import CONFIG, job_folder
from laaf_lightning.cli.run.label import label_of
from laaf_lightning.cli.words import say
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.checkpoint_files import load_content

_PATTERN = "checkpoints/*.ckpt"


class Found(NamedTuple):
    """A checkpoint from which a fit can go on.

    Attributes:
        file: where it lies.
        step: of the optimiser.
        passed_over: newer files that are not whole.
    """

    file: Path
    step: int
    passed_over: list[str]


def checkpoint_to_resume(config: Any, label: str) -> Found | None:
    """Find what the setting ``resume`` names.

    Args:
        config: the settings of ``fit``.
        label: the folder between its job's name and a run's date.

    Returns:
        The newest whole checkpoint; None where the setting is none.

    Raises:
        ConfigurationError: if there is none, and where the settings name a checkpoint beside it.
    """
    run = config.get("resume")
    if run is None:
        return None
    for other in ("ckpt_path", "init_from"):
        if config.get(other) is not None:
            raise ConfigurationError(
                f"--resume {run} and --{other} {config.get(other)} exclude each other: leave one out"
            )
    if run != NEWEST:
        folder = config_of(run).parent
        return newest_whole([folder], f"--resume {run}: no whole checkpoint in {folder / 'checkpoints'}")
    job = job_folder(config.get("trainer") or {})
    if job is None:
        raise ConfigurationError("--resume alone needs a local logger that keeps its runs in folders; name the run")
    runs = [file.parent for file in job.glob(f"{label}/*/{CONFIG}" if label else f"*/{CONFIG}")]
    return newest_whole(runs, f"--resume: no run with a whole checkpoint in {job / label}")


def resume(config: Any) -> None:
    """Replace the setting ``resume`` by the checkpoint that it names, and say which.

    Args:
        config: the settings of the subcommand, which are changed; saved ones, which other subcommands take too, have no
            such key.
    """
    found = checkpoint_to_resume(config, label_of(config))
    config.pop("resume", None)
    if found is None:
        return
    for reason in found.passed_over:
        say(f"passed over: {reason}")
    say(f"resumes {found.file}, of step {found.step}")
    config.ckpt_path = str(found.file)


def newest_whole(runs: Iterable[Path], otherwise: str) -> Found:
    """Find the newest checkpoint that can be read and trained on from.

    Args:
        runs: folders of runs.
        otherwise: what to say if there is none.

    Returns:
        The checkpoint.

    Raises:
        ConfigurationError: if there is none.
    """
    files = sorted((f for run in runs for f in run.glob(_PATTERN)), key=lambda file: file.stat().st_mtime, reverse=True)
    passed_over: list[str] = []
    for file in files:
        try:
            content = load_content(file, "resume")
        except ConfigurationError as error:
            passed_over.append(str(error))
            continue
        if "optimizer_states" in content and "loops" in content:
            return Found(file, int(content.get("global_step", 0)), passed_over)
        passed_over.append(f"{file} holds weights alone")
    seen = f" ({'; '.join(passed_over[:2])})" if passed_over else ""
    raise ConfigurationError(f"{otherwise}{seen}; leave --resume out to train from the start, or name another run")
