"""LightningCLI with slope recovery and figures under keys of their own, and words at the end."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities import rank_zero_only

from laaf_lightning.cli.checkpoint import check_checkpoint
from laaf_lightning.cli.parser import RequestParser
from laaf_lightning.cli.run_folder import DEFAULT_LOGGER, RunFolder
from laaf_lightning.cli.wrong_request import as_wrong_request
from laaf_lightning.errors import ConfigurationError

_LINKED_FACTS = ("num_classes", "in_channels", "image_size")
_KNOWN_METRICS = {
    "test/relative_l2": "relative L2 error {:.4g}",
    "test/accuracy": "test accuracy {:.2%}",
    "val/relative_l2": "relative L2 error {:.4g}",
    "val/accuracy": "validation accuracy {:.2%}",
}


class LAAFCommandLine(LightningCLI):
    """What ``laaf`` runs.

    Attributes:
        run_folder: the folder that belongs to this run alone.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.run_folder = RunFolder()
        self._last_validation = _LastValidation()
        kwargs["trainer_defaults"] = {"callbacks": self._last_validation, **kwargs.get("trainer_defaults", {})}
        try:
            super().__init__(*args, **kwargs)
        except Exception as error:
            self.run_folder.give_back()
            request = as_wrong_request(error)
            if request is None or request is error:
                raise
            raise request from error

    @classmethod
    def run(cls, args: Sequence[str] | None) -> LAAFCommandLine:
        """Parse the arguments and do what they ask for.

        Args:
            args: the arguments; None takes those of the process.

        Returns:
            The command line object, with its trainer, model and datamodule.
        """
        return cls(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=0,
            trainer_defaults={"logger": DEFAULT_LOGGER},
            parser_kwargs={"prog": "laaf", "description": "Adaptive activation functions with slope recovery."},
            parser_class=RequestParser,
            # An optimiser beside the model would take the place of the model's own, which spares slopes weight decay.
            auto_configure_optimizers=False,
            args=None if args is None else list(args),
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Register the callbacks and link what one part of a configuration knows of another.

        Args:
            parser: the parser of one subcommand.
        """
        from laaf_lightning.callbacks import (  # noqa: PLC0415  # to parse for
            AdaptiveLossWeights,
            EpochTrainLoss,
            FigureCallback,
            ResampleCollocation,
            SlopeRecovery,
        )

        parser.add_lightning_class_args(SlopeRecovery, "slope_recovery")
        parser.add_lightning_class_args(FigureCallback, "figures")
        switched_on = {
            "epoch_train_loss": EpochTrainLoss,
            "resample_collocation": ResampleCollocation,
            "adaptive_loss_weights": AdaptiveLossWeights,
        }
        for key, callback in switched_on.items():
            parser.add_lightning_class_args(callback, key)
            parser.set_defaults({f"{key}.enabled": False})
        parser.add_argument("--test_after_fit", type=bool, default=False, help="Whether fit ends with a test.")
        parser.link_arguments("model.init_args.problem", "data.init_args.problem")
        for fact in _LINKED_FACTS:
            parser.link_arguments(f"data.{fact}", f"model.init_args.{fact}", apply_on="instantiate")

    def _parse_ckpt_path(self) -> None:
        """Check the checkpoint file; keep the settings that were asked for.

        Lightning's own method lays the checkpoint's hyper-parameters over the configuration and the command line, so
        that ``--model.n 5`` beside a checkpoint with n = 10 is ignored in silence.
        """
        config = self.config[self.config.subcommand]
        check_checkpoint(config.get("ckpt_path"), config.get("weights_only"))

    def before_instantiate_classes(self) -> None:
        """Give the run a folder that no other run has."""
        self.save_config_kwargs = self.run_folder.reserve(self.config[self.subcommand].trainer)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the Trainer.

        Args:
            kwargs: settings that go before the configuration's.

        Returns:
            The Trainer.

        Raises:
            ConfigurationError: for a setting that it refuses.
        """
        try:
            return super().instantiate_trainer(**kwargs)
        except ValueError as error:
            raise ConfigurationError(f"the Trainer refuses its settings: {error}") from error

    def predict(self, **kwargs: Any) -> None:
        """Predict, and keep what came out.

        Args:
            kwargs: arguments of ``Trainer.predict``.
        """
        predictions = self.trainer.predict(**kwargs)
        folder = self.trainer.log_dir
        if not predictions or folder is None:
            return
        rank = f"-rank{self.trainer.global_rank}" if self.trainer.world_size > 1 else ""
        file = Path(folder) / f"predictions{rank}.pt"
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(predictions, file)
        _say(f"predictions of {len(predictions)} batches in {file}")

    def after_fit(self) -> None:
        """Say in words what came out and where it is, after a validation if the last steps have had none."""
        from laaf_lightning.modules import AdaptiveModule  # noqa: PLC0415  # not to be imported for --help

        steps = self.trainer.global_step
        stale = self._last_validation.step != steps and any(self.trainer.num_val_batches)
        if stale and isinstance(self.model, AdaptiveModule):
            self.trainer.validate(self.model, self.datamodule, verbose=False)
        if self.config[self.subcommand].test_after_fit:
            self.trainer.test(self.model, self.datamodule, verbose=False)
        self._say_outcome(f" after {steps} optimiser steps")

    def after_validate(self) -> None:
        """Say in words what came out."""
        self._say_outcome()

    def after_test(self) -> None:
        """Say in words what came out."""
        self._say_outcome()

    def _say_outcome(self, when: str = "") -> None:
        folder = self.trainer.log_dir  # a broadcast: on all ranks
        written = "logs and figures" if self.trainer.loggers else "checkpoints"
        where = f"; {written} in {folder}" if folder else ""
        _say(f"{_outcome(self.trainer) or 'finished'}{when}{where}")


class _LastValidation(Callback):
    """Remembers the optimiser step of the last validation."""

    step = -1

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self.step = trainer.global_step


def _outcome(trainer: Trainer) -> str:
    """Write the metrics that matter, or else the first few of a foreign module."""
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    known = [text.format(metrics[name]) for name, text in _KNOWN_METRICS.items() if name in metrics]
    known += [
        f"{name.partition('/')[2].removesuffix('_error')} off by {value:.2%}"
        for name, value in metrics.items()
        if name.startswith(_outcome_stage(metrics)) and name.endswith("_error")
    ]
    if not known and "train/loss" in metrics:
        known = [f"last logged training loss {metrics['train/loss']:.4g}"]
    others = [f"{name} {value:.4g}" for name, value in metrics.items() if not name.startswith("slope")]
    return ", ".join(known or others[:3])


def _outcome_stage(metrics: Mapping[str, float]) -> str:
    """Tell which errors of learnt coefficients count: those of a test where there was one."""
    return "test/" if any(name.startswith("test/") for name in metrics) else "val/"


@rank_zero_only
def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
