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
_CONFIG = "config.yaml"


class RunFolder:
    """Reserves folders for one run, named by date and time, and gives back those that stayed empty."""

    def __init__(self) -> None:
        self._reserved: list[Path] = []

    def reserve(self, trainer: Any) -> dict[str, Any]:
        """Make the run's folder and write it into the Trainer's settings.

        TensorBoard and CSV loggers get a version of their own, a run without a logger a ``default_root_dir``. Other
        loggers name their runs themselves: beside them only the saved configuration needs a name of its own. A
        ``fast_dev_run`` writes nothing, and ranks other than zero are told by Lightning what rank zero has chosen.

        Args:
            trainer: the Trainer's settings, a namespace that is changed in place.

        Returns:
            Settings of the callback that saves the configuration.
        """
        if trainer.get("fast_dev_run") or getattr(rank_zero_only, "rank", 0):
            return {}
        if trainer.get("logger") is False:
            trainer["default_root_dir"] = self._beside_earlier_runs(trainer.get("default_root_dir"))
            return {}
        if trainer.get("logger") is None or trainer["logger"] is True:
            trainer["logger"] = _default_logger(type(trainer), trainer.get("default_root_dir"))
        loggers = trainer["logger"] if isinstance(trainer["logger"], list) else [trainer["logger"]]
        for logger in filter(_writes_into_versions, loggers):
            settings = logger["init_args"]
            settings["version"] = self._new_version(settings)
        return {} if _writes_into_versions(loggers[0]) else {"config_filename": f"config-{time.time_ns()}.yaml"}

    def give_back(self) -> None:
        """Remove what is still empty: a run that never started leaves nothing behind."""
        for folder in self._reserved:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _beside_earlier_runs(self, root: str | None) -> str:
        job = _local(root or "runs/laaf")
        if (job / _CONFIG).exists():  # the setting comes from an earlier run's saved configuration
            job = job.parent
        return str(job / self._make(job, _stamps(), "--trainer.default_root_dir"))

    def _new_version(self, settings: Any) -> str:
        """Take the version that was asked for if it is free, else a new one."""
        save_dir, asked = str(settings["save_dir"]), settings.get("version")
        wanted = [] if asked is None else [asked if isinstance(asked, str) else f"version_{asked}"]
        if "://" in save_dir:
            return (wanted or [next(_stamps())])[0]
        job = _local(save_dir) / (settings.get("name") or "")
        return self._make(job, [*wanted, *_stamps()], "--trainer.logger.init_args.save_dir")

    def _make(self, job: Path, names: Iterable[str], option: str) -> str:
        """Make the first folder of these names that is not there yet."""
        reason: str | None = "it is full of runs of this second"
        for name in names:
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
            return name
        raise ConfigurationError(
            f"cannot write the run's folder under {str(job)!r}: {reason}; choose another with {option} DIR"
        )


def _stamps() -> Iterator[str]:
    """Yield names for a run that starts now."""
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S")
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
