"""A run that was cut off goes on bit for bit as if it had not been."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn

from laaf_lightning.callbacks.exact_resume.journal import Entry, Journal, read_journal
from laaf_lightning.callbacks.exact_resume.place import Place, PlaceTracker, rewrite_loops, settle_fetcher, settle_loops
from laaf_lightning.callbacks.exact_resume.plateau import tell_plateau_schedulers
from laaf_lightning.callbacks.exact_resume.random_states import as_plain, from_plain
from laaf_lightning.callbacks.exact_resume.training_pass import TrainingPass, obstacles
from laaf_lightning.callbacks.exact_resume.unfinished import (
    LoggedMeans,
    gradients,
    metric_states,
    set_gradients,
    set_metric_states,
)
from laaf_lightning.errors import ConfigurationError, unknown_choice

KEY = "exact_resume"
JOURNAL = "journal.csv"
OnDivergence = Literal["stop", "warn"]


class ExactResume(Callback):
    """Keep in every checkpoint what Lightning leaves out, so that a resumed run has the bits of one never cut off.

    Kept are the place in the epoch, the random states of Python, NumPy, torch and each process's device, those of the
    generators that loaders, samplers and data sets hold, gradients that wait for their step, what metrics and
    ``self.log(…, on_epoch=True)`` have gathered in the epoch, and the metrics that schedulers are told. It may have
    been saved in any hook: what its epoch still had to do is done. Works with any LightningModule and any map-style
    ``DataLoader``, also with worker processes (whose part of the epoch is fetched again; those of
    ``persistent_workers`` are started anew at every epoch), with loaders that have a ``state_dict`` of their own, and
    on several processes, the same number as before. A stream without one cannot be resumed within an epoch, which is
    an error there.

    Beside the checkpoints, ``journal.csv`` has a line for every batch (number, optimiser step, loss, checksum). Steps
    that the run has taken after its last checkpoint are repeated when it is resumed, and must come out the same.

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
        self._after_step: dict[str, Any] | None = None
        self._at_end: dict[str, Any] | None = None
        self._loader_states: list[dict[str, Any]] = []
        self._means = LoggedMeans({})
        self._notes = Journal(None)
        self._quiet = contextlib.ExitStack()

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write the place into the loops before the Trainer loads them."""
        state = checkpoint.get(KEY)
        if trainer.state.fn != TrainerFn.FITTING or not self.enabled:
            return
        if state is None:
            rank_zero_warn(
                "the checkpoint was saved without ExactResume: order and random numbers of the resumed run are not "
                "those that it would have had"
            )
            return
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
        place = Place(logged=trainer.fit_loop.epoch_loop._batches_that_stepped)
        if resumed is not None:
            place = Place(**resumed["place"])
        reasons = obstacles(trainer, place.batches)
        if reasons and place.batches:
            raise ConfigurationError(
                f"{reasons[0]}, and the checkpoint was saved after batch {place.batches} of an epoch: give the loader "
                "state_dict() and load_state_dict() (torchdata's StatefulDataLoader has them), resume from the end of "
                "an epoch, or go on inexactly with ExactResume(enabled=False) (--exact_resume.enabled false)"
            )
        if reasons:
            rank_zero_info(f"ExactResume: {reasons[0]}: only checkpoints between epochs can be resumed.")
        self._pass = TrainingPass.install(trainer)
        self._tracker = PlaceTracker(place, validates=trainer.enable_validation)
        if resumed is not None:
            self._go_on(trainer, pl_module, place, resumed)
        assert trainer.fit_loop._data_fetcher is not None
        iter(trainer.fit_loop._data_fetcher)  # the one that the Trainer has made began in other random states
        settle_fetcher(trainer, place)
        if self.journal:
            self._notes = self._open_journal(trainer, resumed)

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
            self._tracker.batch_started()
            self._quiet.close()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note that a batch was trained on."""
        if self._tracker is None or self._pass is None:
            return
        self._tracker.batch_ended(trainer)
        self._after_step = self._pass.states()
        self._loader_states = self._pass.loader_states()
        self._means.add(trainer)
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        number = trainer.fit_loop.epoch_loop.total_batch_idx + 1
        self._compare(self._notes.note(number, trainer.global_step, loss, batch))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that a validation is over."""
        if self._tracker is not None and not trainer.sanity_checking and self._at_end is None:
            self._tracker.validated()
            assert self._pass is not None
            self._after_step = self._pass.states()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that an epoch is over."""
        if self._tracker is not None:
            self._means.add_rest(trainer)
            self._tracker.epoch_ended()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the state for checkpoints that are saved later."""
        if self._tracker is not None:
            self._compare(self._notes.write())
            self._at_end = self._state(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the state, and write out what loggers and the journal have in hand."""
        if self._tracker is None:
            return
        checkpoint[KEY] = self._state(trainer, pl_module) if self._at_end is None else self._at_end
        if _is_in_step(trainer) and self._loader_states:  # they have given a batch that was not trained on
            checkpoint["loops"]["fit_loop"]["state_dict"]["combined_loader"] = self._loader_states
        self._compare(self._notes.write())
        for logger in trainer.loggers if trainer.is_global_zero else []:
            flush = getattr(getattr(logger, "experiment", None), "flush", None)
            if callable(flush):
                flush()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave warnings as they were."""
        self._quiet.close()

    def _state(self, trainer: Trainer, module: LightningModule) -> dict[str, Any]:
        """Collect what a checkpoint is to hold, from all processes."""
        assert self._tracker is not None
        assert self._pass is not None
        place = self._tracker.place(trainer)
        begun, now = self._pass.begun, self._pass.states()
        if _is_in_step(trainer) or place.validation == "due":
            now = begun if not place.batches or self._after_step is None else self._after_step
        own = {
            "begun": as_plain(begun),
            "now": as_plain(now),
            "gradients": gradients(module) if place.accumulating else {},
            "metrics": metric_states(trainer) if place.batches else {},
            "logged": LoggedMeans.read(trainer) if place.batches else {},
        }
        ranks = [own]
        if trainer.world_size > 1:
            ranks = [{} for _ in range(trainer.world_size)]
            torch.distributed.all_gather_object(ranks, own)
        callback_metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        return {
            "place": place.as_state(),
            "ranks": ranks,
            "callback_metrics": callback_metrics,
            "settings": self.settings,
            "computed_on": _computed_on(trainer),
        }

    def _go_on(self, trainer: Trainer, module: LightningModule, place: Place, resumed: Mapping[str, Any]) -> None:
        assert self._pass is not None
        settle_loops(trainer, place)
        trainer._logger_connector._callback_metrics.update(
            {name: torch.tensor(value) for name, value in resumed["callback_metrics"].items()}
        )
        tell_plateau_schedulers(trainer, place)
        if place.batches:
            self._quiet.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", "You're resuming from a checkpoint that ended before the epoch ended")
        if len(resumed["ranks"]) != trainer.world_size:
            rank_zero_warn(
                f"the checkpoint is one of {len(resumed['ranks'])} processes, and {trainer.world_size} go on: their "
                "batches and random numbers are not those that it would have had"
            )
            return
        own = resumed["ranks"][trainer.global_rank]
        set_gradients(module, own["gradients"])
        set_metric_states(module, own["metrics"])
        self._means = LoggedMeans(own["logged"])
        begun, now = from_plain(own["begun"]), from_plain(own["now"])
        if place.batches:
            self._pass.go_on(begun, place.batches)
        self._pass.set_states(now)
        self._after_step = now

    def _open_journal(self, trainer: Trainer, resumed: Mapping[str, Any] | None) -> Journal:
        """Open the run's own journal and read the earlier one, of the same process."""
        name = JOURNAL if trainer.global_rank == 0 else JOURNAL.replace(".", f"-rank{trainer.global_rank}.")
        kept = [c.dirpath for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)]
        folder = next((Path(path) for path in kept if path and "://" not in str(path)), None)
        earlier: dict[int, Entry] = {}
        path = str(trainer.ckpt_path or "")
        if resumed is not None and path and "://" not in path:
            earlier = self._comparable(read_journal(Path(path).parent / name), resumed, trainer)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        return Journal(None if folder is None else folder / name, earlier)

    def _comparable(self, earlier: dict[int, Entry], resumed: Mapping[str, Any], trainer: Trainer) -> dict[int, Entry]:
        taken: Any = trainer.fit_loop.epoch_loop.batch_progress.total
        if max(earlier, default=0) <= taken.processed:
            return {}
        if resumed["settings"] != self.settings:
            rank_zero_info("Resumed with other settings: not compared with the steps that the run took before.")
            return {}
        if resumed["computed_on"] != _computed_on(trainer):
            rank_zero_info(
                f"Resumed on other ground ({_computed_on(trainer)}, before {resumed['computed_on']}): not compared "
                "with the steps that the run took before."
            )
            return {}
        return earlier

    def _compare(self, differences: list[tuple[int, Entry, Entry]]) -> None:
        if not differences:
            return
        _, before, now = differences[0]
        what = f"its loss was {before.loss!r} and is {now.loss!r}"
        if before.checksum != now.checksum:
            what = "it is trained on another batch"
        text = (
            f"the resumed run is not the one that was cut off: at optimiser step {now.step} {what}, so data, seed or "
            "settings are not those of then"
        )
        if self.on_divergence == "stop":
            raise ConfigurationError(
                f"{text}; resume with the configuration that was saved beside the checkpoint, or go on all the same "
                "with ExactResume(on_divergence='warn') (--exact_resume.on_divergence warn)"
            )
        rank_zero_warn(text)
        self._notes = Journal(self._notes.file)


def _is_in_step(trainer: Trainer) -> bool:
    """Tell whether a batch was fetched that is not trained on yet."""
    batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    return bool(batches.ready != batches.processed)


def _computed_on(trainer: Trainer) -> str:
    """Name what the last bits of a sum depend on."""
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"torch {torch.__version__}, {name}, {trainer.world_size} x {torch.get_num_threads()} threads"
