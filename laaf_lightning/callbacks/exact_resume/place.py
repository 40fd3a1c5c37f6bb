"""Where in its loops a Trainer was, written so that it goes on from exactly there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pytorch_lightning import Trainer

_EPOCHS = "epoch_progress"
_BATCHES = "epoch_loop.batch_progress"
_VALIDATION = "epoch_loop.val_loop.batch_progress"
_SCHEDULERS = "epoch_loop.scheduler_progress"
_OPTIMIZER = "epoch_loop.automatic_optimization.optim_progress"
_LOOP = "epoch_loop.state_dict"
_EVENTS = ("ready", "started", "processed", "completed")


@dataclass(frozen=True)
class Place:
    """How far a fit has come.

    Attributes:
        epochs: that are complete, with all that follows their last batch.
        batches: of the epoch after them that were trained on.
        is_last: whether the last of these ends the epoch.
        validation: ``"none"`` where none is due after the last of these batches, ``"due"`` before it is over,
            ``"done"`` after it.
        logged: the step that the loggers are told next.
        accumulating: whether gradients were kept for an optimiser step to come.
        plateau: ``"step"`` or ``"epoch"`` where a ``ReduceLROnPlateau`` that looks at these is still to be told of the
            last one, ``"told"`` where it has been, and the Trainer would tell it again, else empty.
    """

    epochs: int = 0
    batches: int = 0
    is_last: bool = False
    validation: str = "none"
    logged: int = 0
    accumulating: bool = False
    plateau: str = ""

    def as_state(self) -> dict[str, Any]:
        """Write it for a checkpoint.

        Returns:
            Plain values.
        """
        return asdict(self)


class PlaceTracker:
    """Follows a fit by its hooks, to tell its `Place` at any moment.

    A step counts once the optimiser has done it: within one, and within a validation, the place is the end of the step
    before.

    Args:
        start: where the fit goes on.
        validates: whether there is a validation at all.
    """

    def __init__(self, start: Place, *, validates: bool) -> None:
        self._validation, self._plateau, self._logged = start.validation, start.plateau, start.logged
        self._epoch_has_ended = self._epoch_is_new = False
        self._validates = validates

    def batch_started(self) -> None:
        """Note that all that follows the batch before is done."""
        self._plateau = "told" if self._validation == "done" else ""
        self._epoch_is_new = False

    def batch_ended(self, trainer: Trainer) -> None:
        """Note that a batch was trained on."""
        loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
        assert fetcher is not None
        due = self._validates and loop._should_check_val_fx(fetcher)
        self._validation, self._plateau = "due" if due else "none", "step"
        self._logged = loop._batches_that_stepped + (not loop._should_accumulate())

    def validated(self) -> None:
        """Note that a validation is over."""
        self._validation = "done"

    def epoch_started(self) -> None:
        """Note that nothing of the epoch was trained on."""
        self._validation, self._plateau = "none", ""
        self._epoch_has_ended, self._epoch_is_new = False, True

    def epoch_ended(self) -> None:
        """Note that the epoch's last hooks are called."""
        self._epoch_has_ended = True

    def place(self, trainer: Trainer) -> Place:
        """Tell where a fit is.

        Args:
            trainer: that fits, or has fitted.

        Returns:
            Where it would go on.
        """
        epochs: Any = trainer.fit_loop.epoch_progress.current
        progress: Any = trainer.fit_loop.epoch_loop.batch_progress
        batches = 0 if self._epoch_is_new else progress.current.processed  # else those of the epoch before
        in_step = progress.current.ready != progress.current.processed  # is_last_batch is the coming one's
        ends = (progress.is_last_batch and not in_step) or batches >= trainer.num_training_batches
        is_last = bool(batches) and ends
        if self._epoch_has_ended and is_last:
            told = epochs.completed == epochs.processed
            return Place(epochs.processed, logged=self._logged, plateau="" if told else "epoch")
        return Place(
            epochs.processed - self._epoch_has_ended,  # max_steps ends an epoch before its end: it goes on within it
            batches,
            is_last,
            self._validation if batches else "none",
            self._logged,
            bool(batches % trainer.accumulate_grad_batches) and not is_last,
            self._plateau if batches and (self._validation == "none" or self._plateau == "told") else "",
        )


def is_in_step(trainer: Trainer) -> bool:
    """Tell whether a batch was fetched that is not trained on yet.

    Args:
        trainer: that fits.

    Returns:
        Whether one was.
    """
    batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    return bool(batches.ready != batches.processed)


def rewrite_loops(checkpoint: dict[str, Any], place: Place) -> None:
    """Write a place into the loops' counters as the Trainer resumes it.

    What Lightning makes of its own counters depends on the hook in which they were saved: after the last batch of an
    epoch it leaves out what ends the epoch, and a validation that was due.

    Args:
        checkpoint: about to be loaded; its loops are changed.
        place: where it goes on.
    """
    loops = checkpoint["loops"]["fit_loop"]
    within = place.batches > 0
    _set(loops[_EPOCHS], place.epochs, begun=within)
    _set(loops[_BATCHES], place.batches, total=loops[_BATCHES]["total"]["processed"])
    loops[_BATCHES]["is_last_batch"] = within and place.is_last
    if not within:
        for progress in (loops[_SCHEDULERS], *(loops[_OPTIMIZER]["optimizer"][key] for key in ("step", "zero_grad"))):
            progress["current"] = dict.fromkeys(progress["current"], 0)
    _set(loops[_VALIDATION], 0, begun=place.validation == "due")  # as if it had stopped in its first batch
    counted_again = place.validation != "none" and not place.accumulating
    loops[_LOOP]["_batches_that_stepped"] = place.logged - counted_again


def settle_loops(trainer: Trainer, place: Place) -> None:
    """Make the loops that a checkpoint has set behave as those of a run that was never cut off.

    Args:
        trainer: at the start of its training.
        place: where it goes on.
    """
    fit, loop = trainer.fit_loop, trainer.fit_loop.epoch_loop
    fit._restarting = False  # else the epoch's schedulers are not told of its end
    if place.batches == 0:
        loop.restarting = False
    total: Any = loop.val_loop.batch_progress.total
    total.ready = total.started = total.processed


def settle_fetcher(trainer: Trainer, place: Place) -> None:
    """Let no batch be fetched where what is left of the epoch is its end.

    Args:
        trainer: whose fetcher was begun.
        place: where it goes on.
    """
    fetcher = trainer.fit_loop._data_fetcher
    if fetcher is not None and place.is_last and place.validation == "none":
        fetcher.done = True


def _set(progress: dict[str, Any], count: int, *, total: int | None = None, begun: bool = False) -> None:
    """Set counters as they are between two of what they count, or within one."""
    if total is None:
        total = max(0, progress["total"]["processed"] + count - progress["current"]["processed"])
    for counters, value in ((progress["current"], count), (progress["total"], total)):
        counters.update(dict.fromkeys(_EVENTS, value))
        if begun:
            counters["ready"] = counters["started"] = value + 1
