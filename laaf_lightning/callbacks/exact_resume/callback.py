"""A run that was cut off goes on bit for bit as if it had not been."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_warn

from laaf_lightning.callbacks.exact_resume.module_hooks import call_module_early, forget_early_calls
from laaf_lightning.callbacks.exact_resume.obstacles import refuse_or_warn
from laaf_lightning.callbacks.exact_resume.own_values.doubles import load_doubles
from laaf_lightning.callbacks.exact_resume.own_values.fresh_loaders import FreshLoaders
from laaf_lightning.callbacks.exact_resume.own_values.module_values import ModuleValues
from laaf_lightning.callbacks.exact_resume.own_values.process_state import state_of_this_process, states_of_processes
from laaf_lightning.callbacks.exact_resume.own_values.random_states import as_plain
from laaf_lightning.callbacks.exact_resume.pending_logs import flush_loggers, pending_logs
from laaf_lightning.callbacks.exact_resume.place import Place, PlaceTracker, is_in_step, rewrite_loops, settle_fetcher
from laaf_lightning.callbacks.exact_resume.repeated_steps import RepeatedSteps, ground
from laaf_lightning.callbacks.exact_resume.taken_up import take_up, take_up_own
from laaf_lightning.callbacks.exact_resume.training_pass import TrainingPass
from laaf_lightning.callbacks.exact_resume.unfinished import set_logged_values
from laaf_lightning.errors import ConfigurationError, unknown_choice

KEY = "exact_resume"
OnDivergence = Literal["stop", "warn"]


class ExactResume(Callback):
    """Keep in every checkpoint what Lightning leaves out, so that a resumed run has the bits of one never cut off.

    Kept are the place in the epoch; the random states of Python, NumPy, torch and each process's device, and of all
    generators that module, loaders, samplers, data sets and transforms hold; numbers that samplers and data sets count;
    public attributes of the module that the fit has changed (numbers, strings, tensors, and lists, tuples, sets and
    dicts of them); which parameters are trained; gradients that wait for their step; what metrics and ``self.log`` have
    gathered, and what was logged and not written yet; the metrics that schedulers are told. It may have been saved in
    any hook. Works with any LightningModule and map-style ``DataLoader``, also with worker processes (whose part of the
    epoch is fetched again; those of ``persistent_workers`` are started anew at every epoch), with loaders that have a
    ``state_dict``, and on several processes, the same number as before. A stream without one cannot be resumed within
    an epoch, which is an error there. Not kept are what a callback has in no ``state_dict``, and private attributes of
    a module. The module's ``on_train_batch_end`` and ``on_validation_end`` run before callbacks save, not after.

    Beside the checkpoints, ``journal.csv`` has a line for every batch (run, number, optimiser step, loss, checksum).
    Steps that the run has taken after its last checkpoint are repeated when it is resumed, and must come out the same.

    Args:
        enabled: false switches it off.
        journal: whether the journal is kept and compared.
        on_divergence: what happens at the first step that comes out differently: ``"stop"`` or ``"warn"``.

    Attributes:
        settings: anything plain that tells runs with different settings apart; such runs are not compared. The command
            line sets it.

    Raises:
        ConfigurationError: for an unknown `on_divergence`.

    Example:
        >>> trainer = Trainer(callbacks=[ExactResume()], logger=False, enable_checkpointing=False, accelerator="cpu")
    """

    def __init__(self, enabled: bool = True, journal: bool = True, on_divergence: OnDivergence = "stop") -> None:
        if on_divergence not in get_args(OnDivergence):
            raise ConfigurationError(unknown_choice("on_divergence", on_divergence, get_args(OnDivergence)))
        self.enabled = enabled
        self.journal = journal
        self.on_divergence = on_divergence
        self.settings: Any = None
        self._resumed: dict[str, Any] | None = None
        self._reset()

    def _reset(self) -> None:
        self._tracker: PlaceTracker | None = None
        self._pass: TrainingPass | None = None
        self._has_failed = False
        self._after_step: dict[str, Any] | None = None
        self._at_end: dict[str, Any] | None = None
        self._loader_states: list[dict[str, Any]] = []
        self._values: ModuleValues | None = None
        self._fresh: FreshLoaders | None = None
        self._validating: dict[str, Any] | None = None  # the module's values before
        self._after_start: Callable[[], None] | None = None
        self._logged: dict[str, Any] = {}
        self._steps: RepeatedSteps | None = None
        self._quiet = contextlib.ExitStack()

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write the place into the loops before the Trainer loads them."""
        if trainer.state.fn != TrainerFn.FITTING or not self.enabled:
            return
        if (state := checkpoint.get(KEY)) is None:
            if checkpoint.get("global_step"):  # not that of a tuner, which has begun nothing
                rank_zero_warn(
                    "the checkpoint was saved without ExactResume: order and random numbers of the resumed run are "
                    "not those that it would have had"
                )
            return
        load_doubles(trainer, checkpoint)
        rewrite_loops(checkpoint, Place(**state["place"]))
        self._resumed = state

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on from the place that a checkpoint has, or begin.

        Raises:
            ConfigurationError: for a place within an epoch of a stream that has none.
        """
        resumed, self._resumed = self._resumed, None
        self._reset()
        if not self.enabled or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        here = {"logged": trainer.fit_loop.epoch_loop._batches_that_stepped}
        place = Place(**(here if resumed is None else resumed["place"]))
        self._fresh = FreshLoaders(trainer)
        own = {} if resumed is None else state_of_this_process(trainer, resumed["ranks"])
        if own:
            self._fresh.set(own["fresh"])
        refuse_or_warn(trainer, place.batches)
        self._pass = TrainingPass.install(trainer)
        self._values = ModuleValues(trainer)
        self._tracker = PlaceTracker(place, validates=trainer.enable_validation)
        if resumed is not None:
            self._pass.load_pending_states(trainer)
            self._after_start = take_up(trainer, place, resumed)
            if place.batches:
                self._quiet.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("ignore", "You're resuming from a checkpoint that ended before the epoch ended")
        if own:
            self._logged = own["logged"]
            self._after_step = take_up_own(trainer, place, own, self._pass, self._values)
        assert trainer.fit_loop._data_fetcher is not None
        iter(trainer.fit_loop._data_fetcher)  # the one that the Trainer has made began in other random states
        settle_fetcher(trainer, place)
        if self.journal:
            self._steps = RepeatedSteps(trainer, resumed, self.settings, stops=self.on_divergence == "stop")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that an epoch begins; its loaders may be new ones."""
        if self._tracker is not None:
            self._tracker.epoch_started()
            self._pass = TrainingPass.install(trainer)
            self._pass.begin()
            self._loader_states = self._pass.loader_states()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note that a batch was fetched."""
        if self._tracker is not None:
            if self._after_start is not None:
                self._after_start()
                self._after_start = None
            self._take_logged(trainer)
            self._tracker.batch_started()
            self._quiet.close()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note that a batch was trained on."""
        if self._tracker is None or self._pass is None:
            return
        call_module_early(trainer, "on_train_batch_end", outputs, batch, batch_idx)
        self._pass.is_ahead = False
        self._tracker.batch_ended(trainer)
        self._after_step = self._pass.states()
        self._loader_states = self._pass.loader_states()
        if self._steps is not None:
            self._steps.note(trainer, outputs, batch)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the module's values, which a validation changes."""
        if self._values is not None and not trainer.sanity_checking and self._at_end is None:
            self._validating = self._values.state()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that a validation is over."""
        if self._tracker is not None and not trainer.sanity_checking and self._at_end is None:
            call_module_early(trainer, "on_validation_end")
            self._validating = None
            self._tracker.validated()
            assert self._pass is not None
            self._after_step = self._pass.states()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that an epoch is over."""
        if self._tracker is not None:
            self._take_logged(trainer)
            self._tracker.epoch_ended()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the state for checkpoints that are saved later."""
        if self._tracker is not None:
            if self._steps is not None:
                self._steps.write()
            self._at_end = self._state(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the state, and write out what loggers and the journal have in hand."""
        if self._tracker is None:
            return
        checkpoint[KEY] = self._state(trainer) if self._at_end is None else self._at_end
        if is_in_step(trainer) and self._loader_states:  # they have given a batch that was not trained on
            checkpoint["loops"]["fit_loop"]["state_dict"]["combined_loader"] = self._loader_states
        if self._steps is not None:
            self._steps.write()
        flush_loggers(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Note that other processes may not come along any more."""
        self._has_failed = True

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave warnings and the module as they were."""
        self._quiet.close()
        forget_early_calls(trainer)

    def _state(self, trainer: Trainer) -> dict[str, Any]:
        """Collect what a checkpoint is to hold, from all processes."""
        assert self._tracker is not None
        assert self._pass is not None
        assert self._values is not None
        assert self._fresh is not None
        place = self._tracker.place(trainer)
        begun, now = self._pass.begun, self._pass.states()
        own = {"values": self._values.state() if self._validating is None else self._validating}
        own["fresh"] = as_plain(self._fresh.state())
        if self._logged:
            own["logged"] = self._logged
        if is_in_step(trainer) or place.validation == "due" or self._pass.is_ahead:
            now = begun if not place.batches or self._after_step is None else self._after_step
        ranks = states_of_processes(trainer, place, begun, now, own, alone=self._has_failed)
        return {
            "place": place.as_state(),
            "ranks": ranks,
            "callback_metrics": {name: value.cpu() for name, value in trainer.callback_metrics.items()},
            "pending_logs": {} if self._has_failed or self._at_end is not None else pending_logs(trainer),
            "run": "" if self._steps is None else self._steps.run,
            "settings": self.settings,
            "ground": ground(trainer),
        }

    def _take_logged(self, trainer: Trainer) -> None:
        set_logged_values(trainer, self._logged)
        self._logged = {}
