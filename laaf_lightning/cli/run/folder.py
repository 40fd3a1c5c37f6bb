"""A folder for every run that no other run has, whatever its logger."""

from __future__ import annotations

import contextlib
import os
import pydoc
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from laaf_lightning.errors import ConfigurationError

DEFAULT_LOGGER: dict[str, Any] = {
    "class_path": "pytorch_lightning.loggers.TensorBoardLogger",
    "init_args": {"save_dir": "runs", "name": "laaf"},
}
CONFIG = "config.yaml"
_OUR_FILES = ("config.yaml", "hparams.yaml", "events.out.tfevents.*", "metrics.csv")
_JOB_SETTINGS = ("name", "project", "experiment_name")


class RunFolder:
    """Reserves folders for one run, named by what it is and by date and time; gives back those of a run that never was.

    Attributes:
        path: the run's folder; None on ranks other than zero, for a ``fast_dev_run``, and where a logger writes to an
            address.
        is_remote: whether the first logger writes to an address.
        is_the_loggers: whether the first logger, or the Trainer without one, writes there by itself.
    """

    def __init__(self) -> None:
        self.path: Path | None = None
        self.is_remote = False
        self.is_the_loggers = True
        self._reserved: list[Path] = []
        self._made: list[Path] = []  # the innermost first

    def reserve(self, trainer: Any, label: str = "") -> None:
        """Make the run's folder and write it into the Trainer's settings.

        TensorBoard and CSV loggers get a version of their own, a run without a logger a ``default_root_dir``. Other
        loggers name their runs themselves, and some keep all of them in one folder: beside them the run's own folder
        holds the configuration, checkpoints, figures and predictions. A ``fast_dev_run`` writes nothing, and ranks
        other than zero are told by Lightning what rank zero has chosen.

        Args:
            trainer: the Trainer's settings, a namespace that is changed in place.
            label: a folder between the job's name and the run's date and time; empty for none.
        """
        if trainer.get("logger") is not None and not isinstance(trainer["logger"], bool):
            self._look_at(trainer["logger"])
        if trainer.get("fast_dev_run") or getattr(rank_zero_only, "rank", 0):
            return
        if trainer.get("logger") is False:
            job = _job_of(Path(trainer.get("default_root_dir") or "runs/laaf"), label)
            self.path = job / self._make(job, _stamps(label), "--trainer.default_root_dir")
            trainer["default_root_dir"] = str(self.path)
            return
        if trainer.get("logger") is None or trainer["logger"] is True:
            trainer["logger"] = _default_logger(type(trainer), trainer.get("default_root_dir"))
        loggers = trainer["logger"] if isinstance(trainer["logger"], list) else [trainer["logger"]]
        for logger in filter(_writes_into_versions, loggers):
            self._give_version(logger["init_args"], label, is_first=logger is loggers[0])
        if not self.is_the_loggers:
            settings = loggers[0].get("init_args") or {}
            root = settings.get("save_dir") or trainer.get("default_root_dir") or "runs"
            name = next((settings[key] for key in _JOB_SETTINGS if settings.get(key)), "laaf")
            job = _local(str(root)) / str(name)
            self.path = job / self._make(job, _stamps(label), "--trainer.default_root_dir")

    def give_back(self) -> None:
        """Remove what a run that never took a step has left: what it was told, empty logs, empty folders."""
        for folder in self._reserved:
            for pattern in _OUR_FILES:
                for file in folder.glob(pattern):
                    file.unlink()
        for folder in self._made:
            with contextlib.suppress(OSError):  # what is not empty stays
                folder.rmdir()

    def _look_at(self, loggers: Any) -> None:
        """Find out, alike on all ranks, what the first logger does by itself."""
        first = loggers[0] if isinstance(loggers, list) else loggers
        self.is_the_loggers = _writes_into_versions(first)
        self.is_remote = self.is_the_loggers and "://" in str(first["init_args"]["save_dir"])

    def _give_version(self, settings: Any, label: str, *, is_first: bool) -> None:
        """Take the version that was asked for if it is free, else a new one."""
        save_dir, asked = str(settings["save_dir"]), settings.get("version")
        if "default_hp_metric" in settings:
            settings["default_hp_metric"] = False  # a run's own metrics stand there at its end
        wanted = [] if asked is None else [asked if isinstance(asked, str) else f"version_{asked}"]
        if "://" in save_dir:
            settings["version"] = (wanted or [next(_stamps(label))])[0]
            return
        job = _local(save_dir) / (settings.get("name") or "")
        settings["version"] = self._make(job, [*wanted, *_stamps(label)], "--trainer.logger.init_args.save_dir")
        if is_first:
            self.path = job / settings["version"] / (settings.get("sub_dir") or "")

    def _make(self, job: Path, names: Iterable[str], option: str) -> str:
        """Make the first folder of these names that is not there yet."""
        reason: str | None = "it is full of runs of this second"
        for name in names:
            missing = [folder for folder in (job / name, *(job / name).parents) if not folder.exists()]
            try:
                (job / name).mkdir(parents=True)
            except FileExistsError:
                if job.is_dir():
                    continue
                reason = "it is not a folder"
                break
            except OSError as error:
                reason = error.strerror
                break
            self._reserved.append(job / name)
            self._made = [*missing, *self._made]
            return name
        raise ConfigurationError(
            f"cannot write the run's folder under {str(job)!r}: {reason}; choose another with {option} DIR"
        )


def job_folder(trainer: Any) -> Path | None:
    """Return where the runs of a configuration lie, under their labels.

    Args:
        trainer: the Trainer's settings, before a run has a folder.

    Returns:
        The folder; None for an address.
    """
    logger = trainer.get("logger")
    if logger is False:
        return _job_of(Path(trainer.get("default_root_dir") or "runs/laaf"), "")
    first = logger[0] if isinstance(logger, list) else logger
    if first is None or first is True:
        first = _default_logger(dict, trainer.get("default_root_dir"))
    settings = first.get("init_args") or {}
    root = str(settings.get("save_dir") or trainer.get("default_root_dir") or "runs")
    if "://" in root:
        return None
    if _writes_into_versions(first):
        return _local(root) / (settings.get("name") or "")
    return _local(root) / str(next((settings[key] for key in _JOB_SETTINGS if settings.get(key)), "laaf"))


def _job_of(root: Path, label: str) -> Path:
    """Return the job's folder: above the run's where the setting comes from an earlier run's saved configuration."""
    root = _local(str(root))
    if not (root / CONFIG).exists():
        return root
    return root.parent.parent if label and root.parent.name == label else root.parent


def _stamps(label: str = "") -> Iterator[str]:
    """Yield names for a run that starts now."""
    stamp = f"{label}/" * bool(label) + time.strftime("%Y-%m-%dT%H-%M-%S")
    yield stamp
    yield from (f"{stamp}-{attempt}" for attempt in range(1, 1000))


def _default_logger(namespace: type, root: str | None) -> Any:
    """Return our own default where the configuration asks for Lightning's, whose run numbers two processes share."""
    settings = {**DEFAULT_LOGGER["init_args"], **({"save_dir": root} if root else {})}
    return namespace(class_path=DEFAULT_LOGGER["class_path"], init_args=namespace(**settings))


def _writes_into_versions(logger: Any) -> bool:
    kind = pydoc.locate(logger["class_path"])
    return isinstance(kind, type) and issubclass(kind, (TensorBoardLogger, CSVLogger))


def _local(folder: str) -> Path:
    return Path(os.path.expandvars(folder)).expanduser()
