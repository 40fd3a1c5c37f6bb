"""State of a callback that is kept in the checkpoint itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pytorch_lightning import Callback, LightningModule, Trainer


class StateInCheckpoint(Callback, ABC):
    """A callback whose state stands in the checkpoint under a key of its own, as plain values and tensors.

    Lightning refuses two callbacks of one class that have a `state_dict`, without a word on the way out, before our own
    refusal can give one, and where two may well follow each other.

    Attributes:
        checkpoint_key: where.
    """

    checkpoint_key: ClassVar[str]

    @abstractmethod
    def state_to_keep(self, trainer: Trainer) -> dict[str, Any] | None:
        """Return the state, plain values and tensors; None if there is nothing to keep.

        Args:
            trainer: the Trainer.
        """

    @abstractmethod
    def take_state(self, pl_module: LightningModule, state: dict[str, Any] | None) -> None:
        """Go on from a checkpoint.

        Args:
            pl_module: the module.
            state: what was kept; None if nothing was.
        """

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the state."""
        state = self.state_to_keep(trainer)
        if state is not None:
            checkpoint[self.checkpoint_key] = state

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take the state over."""
        self.take_state(pl_module, checkpoint.get(self.checkpoint_key))
