"""LightningCLI with slope recovery and figures under keys of their own, and words at the end."""

from __future__ import annotations

import functools
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from laaf_lightning.cli.checkpoint import check_checkpoint, refuse_unresolvable
from laaf_lightning.cli.options import add_fit_options, add_options, add_predict_options
from laaf_lightning.cli.parser import RequestParser, import_all
from laaf_lightning.cli.resume.newest import resume
from laaf_lightning.cli.run.folder import CONFIG, DEFAULT_LOGGER, RunFolder
from laaf_lightning.cli.run.initial_weights import check_initial_weights, take_weights
from laaf_lightning.cli.run.label import label_of
from laaf_lightning.cli.words import say, what_runs
from laaf_lightning.cli.wrong_request import as_wrong_request
from laaf_lightning.errors import ConfigurationError


class LAAFCommandLine(LightningCLI):
    """What ``laaf`` runs.

    Attributes:
        run_folder: the folder that belongs to this run alone.
        outcome: what came out of the last fit, validation or test, as plain values; also in ``outcome.json``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        from laaf_lightning.cli.ends.stop_signals import StopSignals  # noqa: PLC0415  # not to be imported for --help
        from laaf_lightning.cli.run.steps import Steps  # noqa: PLC0415  # as above

        self.run_folder = RunFolder()
        self.outcome: dict[str, Any] = {}
        self._steps = Steps()
        self._signals = StopSignals()
        self._seconds: float | None = None
        self._checkpoint: Any = None
        kwargs["trainer_defaults"] = {"callbacks": self._steps, **kwargs.get("trainer_defaults", {})}
        try:
            with self._signals.taken():
                super().__init__(*args, **kwargs)
        except BaseException as error:
            if (ended := self._ended(error)) is not error:
                raise ended from error
            raise

    @classmethod
    def run(cls, args: Sequence[str] | None) -> LAAFCommandLine:
        """Parse the arguments and do what they ask for.

        Args:
            args: the arguments; None takes those of the process.

        Returns:
            The command line object, with its trainer, model and datamodule.
        """
        if not {"-h", "--help"} & {*(sys.argv[1:] if args is None else args)}:
            import_all()  # so that every class of ours is known by its name alone
        return cls(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=0,
            trainer_defaults={"logger": DEFAULT_LOGGER, "enable_model_summary": False},
            parser_kwargs={
                "prog": "laaf",
                "description": "Adaptive activation functions with slope recovery. Beside the commands below, laaf "
                "compare puts runs side by side, laaf fold writes a checkpoint's plain network (each has --help), laaf "
                "configs lists and copies the configurations of the package, and laaf --version tells the versions.",
            },
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
        add_options(parser)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Add what only one subcommand takes; then parse.

        Args:
            parser: of all subcommands.
            args: the arguments.
        """
        add_fit_options(self._parser("fit"))
        add_predict_options(self._parser("predict"))
        super().parse_arguments(parser, args)

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Name the subcommands.

        Returns:
            Of each the Trainer's arguments that are no options.
        """
        commands = LightningCLI.subcommands()
        return {**commands, "predict": {*commands["predict"], "return_predictions"}}

    def _parse_ckpt_path(self) -> None:
        """Check the checkpoint file; keep the settings that were asked for.

        Lightning's own method lays the checkpoint's hyper-parameters over the configuration and the command line, so
        that ``--model.n 5`` beside a checkpoint with n = 10 is ignored in silence.
        """
        config = self.config[self.config.subcommand]
        resume(config)
        refuse_unresolvable(config, self.config.subcommand)
        self._checkpoint = check_checkpoint(config.get("ckpt_path"), config.get("weights_only"), self._fetched)
        check_initial_weights(config, self.config.subcommand)

    @functools.cached_property
    def _fetched(self) -> Path:
        """A folder for what lies at an address, while this object lives."""
        folder = tempfile.mkdtemp(prefix="laaf-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    def after_instantiate_classes(self) -> None:
        """Let the Trainer load the file that was checked, and run no code from it whatever its defaults are."""
        settings = self.config_init[self.subcommand]
        settings.ckpt_path, settings.weights_only = self._checkpoint, True

    def before_instantiate_classes(self) -> None:
        """Give the run a folder that no other run has."""
        from laaf_lightning.cli.run.saved_config import SavedConfig  # noqa: PLC0415  # as above

        config = self.config[self.subcommand]
        self.run_folder.reserve(config.trainer, label_of(config))
        self.save_config_callback = SavedConfig
        self.save_config_kwargs = {"folder": self.run_folder.path, "save_to_log_dir": self.run_folder.is_remote}

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the Trainer, with the checkpoints and the progress bar of a run unless others are asked for.

        Args:
            kwargs: settings that go before the configuration's.

        Returns:
            The Trainer.

        Raises:
            ConfigurationError: for a setting that it refuses.
        """
        from laaf_lightning.cli.run.added_callbacks import added_callbacks, settle  # noqa: PLC0415  # as above

        settings = self.config_init[self.subcommand]
        folder = None if self.run_folder.is_the_loggers else self.run_folder.path
        added = added_callbacks(settings.trainer, self.model, folder, self._signals)
        self.trainer_defaults = {**self.trainer_defaults, "callbacks": [self._steps, self._signals, *added]}
        try:
            trainer = super().instantiate_trainer(**kwargs)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"the Trainer refuses its settings: {error}") from error
        settle(trainer, self.config[self.subcommand], settings.process_timeout, folder)
        self._signals.trainer = trainer
        return trainer

    def before_fit(self) -> None:
        """Say what is about to be trained, and where its logs lie."""
        say(what_runs(self.model, self.trainer, self.config[self.subcommand]))
        if self.run_folder.path is not None:
            say(f"run: {self.run_folder.path}")
        if (path := self.config[self.subcommand].init_from) is not None:
            if self.trainer.precision.startswith("64"):
                self.model.double()  # as Lightning does later, when weights would have been rounded
            say(take_weights(self.model, path))
        self._seconds = time.perf_counter()

    def predict(self, **kwargs: Any) -> None:
        """Predict, and keep what came out.

        Args:
            kwargs: arguments of ``Trainer.predict``.
        """
        from laaf_lightning.cli.run.predictions.kept import predict_and_keep  # noqa: PLC0415  # as above

        kwargs.pop("model")
        said = predict_and_keep(self.trainer, self.model, self.config[self.subcommand], self._folder, **kwargs)
        if said is not None:
            say(said)

    def after_fit(self) -> None:
        """Say in words what came out and where it is, after a validation if the last steps have had none."""
        from laaf_lightning.cli.ends.in_words import out_of_time, tell, what_is_left  # noqa: PLC0415  # as above
        from laaf_lightning.cli.run.end_of_fit import (  # noqa: PLC0415  # as above
            validate_last_steps,
            when_in_words,
        )

        seconds = None if self._seconds is None else time.perf_counter() - self._seconds
        steps, config = self.trainer.global_step, self.config[self.subcommand]
        validate_last_steps(self.trainer, self.model, self.datamodule, self._steps)
        if config.test_after_fit:
            self.trainer.test(self.model, self.datamodule, verbose=False)
        self._say_outcome(when_in_words(config, steps, seconds, any_taken=self._steps.taken), seconds)
        if self._steps.taken and out_of_time(self.trainer):
            limit, change = f"stopped by max_time={config.trainer.max_time}", " --trainer.max_time null"
            tell(limit + what_is_left(self.trainer, self.run_folder.path, CONFIG, change))

    def after_validate(self) -> None:
        """Say in words what came out."""
        self._say_outcome()

    after_test = after_validate

    def _say_outcome(self, when: str = "", seconds: float | None = None) -> None:
        from laaf_lightning.cli.run import outcome  # noqa: PLC0415  # as above

        folder = self._folder()
        self.outcome = outcome.outcome_of(self.trainer, self.model, self.config[self.subcommand], seconds)
        outcome.keep(self.outcome, self.trainer, folder)
        engine = f", {self.outcome['engine']}" if self.outcome["engine"] else ""
        written = "logs and figures" if self.trainer.loggers else "checkpoints"
        where = f"; {written} in {folder}" if folder else ""
        say(f"{outcome.in_words(self.outcome)}{when}{engine}{where}{outcome.best_in_words(self.outcome)}")

    def _ended(self, error: BaseException) -> BaseException:
        """Tidy up after what has ended a run, say what is left of it, and return what to raise."""
        from laaf_lightning.cli.ends.in_words import tell_of  # noqa: PLC0415  # as above

        error = self._signals.ended_by(error)
        if not (trains := self._steps.taken or self._signals.others_train) and not self._steps.begun:
            self.run_folder.give_back()
        tell_of(error, self.trainer if trains else None, self.run_folder.path, CONFIG)
        return (as_wrong_request(error) if isinstance(error, Exception) else None) or error

    def _folder(self) -> Path | None:
        """Return the run's folder, on all ranks."""
        if not self.run_folder.is_the_loggers:
            return self.trainer.strategy.broadcast(self.run_folder.path)
        folder = self.trainer.log_dir  # a broadcast: on all ranks
        return None if folder is None else Path(folder)
