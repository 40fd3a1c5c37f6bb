"""Whether a resumed run does what the run has done that was cut off."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn

from laaf_lightning.callbacks.exact_resume.journal import Entry, Journal, read_journal
from laaf_lightning.errors import ConfigurationError

JOURNAL = "journal.csv"


class RepeatedSteps:
    """Keeps this process's journal, and compares it with that of the run that was cut off.

    Args:
        trainer: at the start of its training.
        resumed: the state of the checkpoint that it goes on from; None for none.
        settings: what tells runs with different settings apart.
        stops: whether the first difference is an error, else a warning.

    Attributes:
        run: tells the lines of this run from those of others in the same folder; the same on all processes.
    """

    def __init__(self, trainer: Trainer, resumed: Mapping[str, Any] | None, settings: Any, *, stops: bool) -> None:
        self._stops = stops
        self._error: ConfigurationError | None = None
        rank = trainer.global_rank
        name = JOURNAL if rank == 0 else JOURNAL.replace(".", f"-rank{rank}.")
        kept = [getattr(callback, "dirpath", None) for callback in trainer.checkpoint_callbacks]
        folders = dict.fromkeys(Path(path) for path in kept if path and "://" not in str(path))
        earlier: dict[int, Entry] = {}
        path = str(trainer.ckpt_path or "")
        if resumed is not None and path and "://" not in path:
            earlier = _comparable(read_journal(Path(path).parent / name, resumed["run"]), resumed, settings, trainer)
        self.run: str = trainer.strategy.broadcast(secrets.token_hex(4))
        self._journal = Journal([folder / name for folder in folders], self.run, earlier)

    def note(self, trainer: Trainer, outputs: Any, batch: Any) -> None:
        """Note a step, and compare from time to time.

        Args:
            trainer: after it.
            outputs: of the module's ``training_step``.
            batch: that it was trained on.
        """
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        number = trainer.fit_loop.epoch_loop.total_batch_idx + 1
        self._compare(self._journal.note(number, trainer.global_step, loss, batch))

    def write(self) -> None:
        """Write and compare what was noted; what has once ended the run ends every later save, too."""
        if self._error is not None:
            raise self._error
        self._compare(self._journal.write())

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
        if self._stops:
            self._error = ConfigurationError(
                f"{text}; resume with the configuration that was saved beside the checkpoint, or go on all the same "
                "with ExactResume(on_divergence='warn') (--exact_resume.on_divergence warn)"
            )
            raise self._error
        rank_zero_warn(text)
        self._journal = Journal(self._journal.files, self.run)


def ground(trainer: Trainer) -> str:
    """Name what the last bits of a sum depend on.

    Args:
        trainer: the Trainer.

    Returns:
        torch, device, processes and threads.
    """
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"torch {torch.__version__}, {name}, {trainer.world_size} x {torch.get_num_threads()} threads"


def _comparable(
    earlier: dict[int, Entry], resumed: Mapping[str, Any], settings: Any, trainer: Trainer
) -> dict[int, Entry]:
    """Return what the run did after the checkpoint, unless there is a reason why it need not be repeated."""
    taken: Any = trainer.fit_loop.epoch_loop.batch_progress.total
    if max(earlier, default=0) <= taken.processed:
        return {}
    if resumed["settings"] != settings:
        rank_zero_info("Resumed with other settings: not compared with the steps that the run took before.")
        return {}
    if resumed["ground"] != ground(trainer):
        rank_zero_info(
            f"Resumed on other ground ({ground(trainer)}, before {resumed['ground']}): not compared with the steps "
            "that the run took before."
        )
        return {}
    return earlier
