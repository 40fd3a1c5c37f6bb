"""The command line: ``laaf fit|validate|test|predict --config …`` on LightningCLI."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities import rank_zero_only

from laaf_lightning.errors import ConfigurationError

_LOGGER = "pytorch_lightning.loggers.TensorBoardLogger"
_RUN_VARIABLE = "LAAF_RUN_VERSION"
_LINKED_FACTS = ("num_classes", "in_channels", "image_size")


class LAAFCommandLine(LightningCLI):
    """LightningCLI with slope recovery and figures under keys of their own, and a new folder for every run."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Register the callbacks and link what one part of a configuration knows of another.

        Args:
            parser: the parser of one subcommand.
        """
        from laaf_lightning.callbacks import FigureCallback, SlopeRecovery  # noqa: PLC0415

        parser.add_lightning_class_args(SlopeRecovery, "slope_recovery")
        parser.add_lightning_class_args(FigureCallback, "figures")
        parser.link_arguments("model.init_args.problem", "data.init_args.problem")
        for fact in _LINKED_FACTS:
            parser.link_arguments(f"data.{fact}", f"model.init_args.{fact}", apply_on="instantiate")

    def before_instantiate_classes(self) -> None:
        """Give the run a folder that no other run has."""
        config = self.config[self.subcommand] if self.subcommand else self.config
        logger = config.trainer.get("logger")
        if not logger or logger.get("class_path") != _LOGGER:
            return
        folder, version = Path(logger.init_args.save_dir) / (logger.init_args.name or ""), logger.init_args.version
        if version is None or (folder / str(version) / "config.yaml").exists():
            logger.init_args["version"] = new_run_folder(folder)

    def after_fit(self) -> None:
        """Say in words what came out and where it is."""
        _say(self._outcome())

    def after_validate(self) -> None:
        """Say in words what came out."""
        _say(self._outcome())

    def after_test(self) -> None:
        """Say in words what came out."""
        _say(self._outcome())

    def _outcome(self) -> str:
        metrics = self.trainer.callback_metrics
        known = {"relative_l2": "relative L2 error {:.4g}", "accuracy": "accuracy {:.2%}"}
        said = [
            text.format(float(metrics[f"{stage}/{name}"]))
            for stage in ("test", "val")
            for name, text in known.items()
            if f"{stage}/{name}" in metrics
        ]
        if not said and "train/loss" in metrics:
            said = [f"training loss {float(metrics['train/loss']):.4g}"]
        where = f"; logs and figures in {self.trainer.log_dir}" if self.trainer.log_dir else ""
        steps = f" after {self.trainer.global_step} optimiser steps" if self.subcommand == "fit" else ""
        return f"{', '.join(said) or 'finished'}{steps}{where}"


def new_run_folder(job: Path) -> str:
    """Make a new folder ``job/<date and time>`` for this run; processes that it starts use the same.

    Args:
        job: folder of all runs of one job.

    Returns:
        The folder's own name.

    Raises:
        ConfigurationError: if it cannot be made.
    """
    if _RUN_VARIABLE in os.environ and (int(os.environ.get("LOCAL_RANK", "0")) or int(os.environ.get("RANK", "0"))):
        return os.environ[_RUN_VARIABLE]
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S")
    for attempt in range(1000):
        version = stamp if attempt == 0 else f"{stamp}-{attempt}"
        try:
            (job / version).mkdir(parents=True, exist_ok=False)
        except FileExistsError:
            if not job.is_dir():
                break
            continue
        except OSError as error:
            raise ConfigurationError(_unwritable(job, error.strerror)) from error
        os.environ[_RUN_VARIABLE] = version
        return version
    raise ConfigurationError(_unwritable(job, "it is no folder, or full of runs of this second"))


def main(args: Sequence[str] | None = None) -> LAAFCommandLine:
    """Run the command line.

    Args:
        args: the arguments; None takes those of the process.

    Returns:
        The command line object, with its trainer, model and datamodule.

    Example:
        ``main(["fit", "--config", "configs/burgers.yaml", "--model.scope", "neuron"])``
    """
    return LAAFCommandLine(
        LightningModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        seed_everything_default=0,
        trainer_defaults={"logger": {"class_path": _LOGGER, "init_args": {"save_dir": "runs", "name": "laaf"}}},
        args=None if args is None else list(args),
    )


def cli() -> None:
    """Run the console script: a wrong request ends with one sentence and exit status 2."""
    try:
        main()
    except (ConfigurationError, OSError, RuntimeError) as error:
        if os.environ.get("LAAF_TRACEBACK") or not _is_request(error):
            raise
        text = " ".join(str(error).split())
        sys.stderr.write(f"laaf: error: {text} (LAAF_TRACEBACK=1 shows the traceback)\n")
        sys.exit(2)


def _is_request(error: Exception) -> bool:
    """Tell whether an error is about what the user asked for, not about the code."""
    return not isinstance(error, RuntimeError) or "loading state_dict" in str(error)


def _unwritable(folder: Path, reason: Any) -> str:
    return (
        f"cannot write the run's folder under {str(folder)!r}: {reason}; choose another with "
        "--trainer.logger.init_args.save_dir DIR"
    )


@rank_zero_only
def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    cli()
