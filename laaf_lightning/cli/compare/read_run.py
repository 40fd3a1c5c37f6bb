"""Runs on the disk: which folders are some, and what is in one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from laaf_lightning.cli.compare.scalars import CSV, EVENTS, Curve, read_scalars
from laaf_lightning.cli.run.folder import CONFIG
from laaf_lightning.cli.run.outcome import FILE as OUTCOME
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.yaml_texts import read_yaml

_OF_OTHER_COMMANDS = {"verbose", "return_predictions"}  # settings of validate, test and predict
_WAY_OUT = "name folders of runs that laaf fit has made, or leave this one out"


@dataclass(frozen=True, eq=False)
class Run:
    """One training run.

    Attributes:
        folder: where it is.
        config: its settings, as ``config.yaml`` has them.
        outcome: what ``outcome.json`` has; None for a run that was killed or is still going on.
        curves: what it has logged, by tag.
    """

    folder: Path
    config: Mapping[str, Any]
    outcome: Mapping[str, Any] | None
    curves: Mapping[str, Curve]

    @property
    def metrics(self) -> Mapping[str, float]:
        """The numbers at its end; empty for a run that is not finished."""
        return {} if self.outcome is None else self.outcome["metrics"]

    @property
    def steps(self) -> int | None:
        """Optimiser steps: of a run that is not finished, the last that was logged."""
        if self.outcome is not None:
            return self.outcome.get("steps")
        return max((int(curve.steps[-1]) for curve in self.curves.values()), default=None)


def read_runs(paths: Sequence[str | Path]) -> list[Run]:
    """Read runs.

    Args:
        paths: folders of runs, or folders above some, of which all below count.

    Returns:
        The runs, each once, in the order of `paths` and of names below them.

    Raises:
        ConfigurationError: for a path without a run, and a run that cannot be read.
    """
    folders: dict[Path, Path] = {}
    for path in paths:
        for folder in _run_folders(Path(path)):
            folders.setdefault(folder.resolve(), folder)
    return [_read(folder) for folder in folders.values()]


def _run_folders(path: Path) -> list[Path]:
    """Find the run at a path, or those below it."""
    looked_for = f"{CONFIG} beside {OUTCOME}, {EVENTS} or {CSV}"
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise ConfigurationError(f"{path} {what}: expected the folder of a run ({looked_for}), or one above some")
    if (path / CONFIG).is_file():
        if _is_training(path):
            return [path]
        raise ConfigurationError(
            f"{path} is not the folder of a training run: its {CONFIG} is of another command, or of another program; "
            f"{_WAY_OUT}"
        )
    if (path / OUTCOME).is_file():
        raise ConfigurationError(f"the run {path} is damaged: {CONFIG} is missing beside {OUTCOME}; {_WAY_OUT}")
    found = [file.parent for file in sorted(path.rglob(CONFIG)) if _is_training(file.parent)]
    if not found:
        raise ConfigurationError(f"no runs in {path}: looked for folders with {looked_for}; {_WAY_OUT}")
    return found


def _is_training(folder: Path) -> bool:
    config = _config_of(folder)
    return isinstance(config, dict) and "model" in config and not _OF_OTHER_COMMANDS & {*config}


def _read(folder: Path) -> Run:
    outcome = _outcome_of(folder) if (folder / OUTCOME).is_file() else None
    return Run(folder, _config_of(folder), outcome, read_scalars(folder))


def _config_of(folder: Path) -> Any:
    try:
        return read_yaml((folder / CONFIG).read_text(encoding="utf-8"), str(folder / CONFIG))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ConfigurationError) as error:
        raise _damaged(folder, CONFIG, error) from error


def _outcome_of(folder: Path) -> Mapping[str, Any]:
    try:
        outcome = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
        if not isinstance(outcome["metrics"], dict):
            raise TypeError("metrics is no table")
    except (OSError, UnicodeDecodeError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(folder, OUTCOME, error) from error
    outcome["metrics"] = {name: math.nan if value is None else value for name, value in outcome["metrics"].items()}
    if isinstance(best := outcome.get("best"), dict) and best.get("value") is None:
        best["value"] = math.nan
    return outcome  # type: ignore[no-any-return]


def _damaged(folder: Path, file: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"the run {folder} is damaged: {file} was looked for, and cannot be read ({type(error).__name__}: {error}); "
        f"leave the run out, or take it out of the folder (without {OUTCOME} it counts as not finished)"
    )
