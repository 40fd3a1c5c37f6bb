"""How far a run has come."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class Steps(Callback):
    """Remembers whether a step was taken, and the optimiser step of the last validation.

    Attributes:
        taken: whether this process has trained on a batch.
        begun: whether it has done anything whose results are worth a folder: trained, validated, tested or predicted.
        validated: the optimiser step of the last validation; -1 before.
    """

    taken = False
    begun = False
    validated = -1

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Note a step."""
        self.taken = self.begun = True

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Note a test."""
        self.begun = True

    def on_predict_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Note a prediction."""
        self.begun = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note a validation."""
        if not trainer.sanity_checking:
            self.validated = trainer.global_step
            self.begun = True
