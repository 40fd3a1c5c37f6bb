"""The callback that ends a run of NaN."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from laaf_lightning.callbacks.checkpoint_state import StateInCheckpoint
from laaf_lightning.callbacks.finite_guard.guarded_fit import GuardedFit
from laaf_lightning.errors import ConfigurationError


class FiniteGuard(StateInCheckpoint):
    """End a run whose loss, weights or optimiser's state are NaN or infinite, and say what went first.

    Works on any LightningModule. Nothing waits for the device between checks: what is not finite leaves a mark there,
    and the marks are read every `check_every_n_steps` optimiser steps, before a validation, at the end of an epoch and
    of the fit, and before a checkpoint is saved, so that no checkpoint is written that is not finite. On a CPU, where
    reading costs nothing, the loss is read at each step.

    The error tells the step, counted from 0 as loggers count, and whether a field of the batch, the loss, a gradient, a
    slope n·a, a weight, the optimiser's state or a buffer went first. NaN in a batch alone (masked targets) and in a
    gradient alone (clipped, or left out) is no harm; what a line search tries on its way is none either. Under a
    gradient scaler, which passes over such steps, a loss counts once it was not finite ten times in a row.

    With `rollback`, weights, buffers and optimisers go back to the last state in memory that a check has found finite,
    and training goes on with the next batch and all learning rates times `lr_factor`, that many times. Not at the end
    of the fit, and not where an optimiser refuses such a loss itself, as `SelfScaledBroyden` does: there is no step.

    Args:
        check_every_n_steps: most optimiser steps between checks, ≥ 1; each waits for the device once.
        rollback: how many times the run goes back before it ends, ≥ 0.
        lr_factor: of the learning rates at each return, 0 < lr_factor ≤ 1.
        snapshot_every_n_steps: fewest optimiser steps between states kept in memory, ≥ 1; None keeps one at each check.
        enabled: false switches it off.

    Attributes:
        returns: how often the run has gone back; kept in checkpoints.

    Raises:
        ConfigurationError: for a value outside these ranges.

    Example:
        >>> FiniteGuard(check_every_n_steps=20, rollback=2)
        FiniteGuard(check_every_n_steps=20, rollback=2, lr_factor=0.5)
    """

    checkpoint_key = "laaf_lightning.FiniteGuard"

    def __init__(
        self,
        check_every_n_steps: int = 50,
        rollback: int = 0,
        lr_factor: float = 0.5,
        snapshot_every_n_steps: int | None = None,
        enabled: bool = True,
    ) -> None:
        every = 1 if snapshot_every_n_steps is None else snapshot_every_n_steps
        smallest = {"check_every_n_steps": (check_every_n_steps, 1), "rollback": (rollback, 0)}
        smallest["snapshot_every_n_steps"] = (every, 1)
        for name, (value, least) in smallest.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigurationError(f"{name}={value!r} of FiniteGuard must be a whole number >= {least}")
        if not 0 < lr_factor <= 1:
            raise ConfigurationError(f"lr_factor={lr_factor} of FiniteGuard must be > 0 and <= 1")
        self.check_every_n_steps, self.rollback, self.lr_factor = check_every_n_steps, rollback, lr_factor
        self.snapshot_every_n_steps = snapshot_every_n_steps
        self.enabled = enabled
        self.returns = 0
        self._fit: GuardedFit | None = None
        self._has_failed = False

    def __repr__(self) -> str:
        shown = ("check_every_n_steps", "rollback", "lr_factor")
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget an earlier run; a checkpoint is loaded after this.

        Raises:
            ConfigurationError: for a second callback of this kind.
        """
        if stage != "fit":
            return
        self._fit, self._has_failed, self.returns = None, False, 0
        callbacks: list[Callback] = getattr(trainer, "callbacks", [])
        if self.enabled and sum(isinstance(other, FiniteGuard) and other.enabled for other in callbacks) > 1:
            raise ConfigurationError(
                "several FiniteGuard would each end the same run: keep one; the command line makes one itself, set by "
                "--finite_guard.check_every_n_steps and its other options"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to watch; refuse weights that are not finite."""
        if self.enabled:
            self._fit = GuardedFit(self, trainer, pl_module)
            self._fit.check()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Look at the batch."""
        if self._fit is not None:
            self._fit.begin_batch(batch)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Look at the weights that the step begins with, and on a CPU at its loss."""
        if self._fit is not None:
            self._fit.note_loss(loss)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Look at the gradients that the step begins with."""
        if self._fit is not None:
            self._fit.note_gradients()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the loss; read the marks if that is due."""
        if self._fit is not None:
            self._fit.end_batch(outputs)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the marks, so that no weights that are not finite are validated."""
        self.check()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the marks."""
        self.check()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the marks for the last time, without a way back."""
        if self._fit is not None:
            self._fit.end()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop watching."""
        self._fit = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Go on watching what is saved, alone: other ranks may be elsewhere."""
        self._has_failed = True

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the number of returns, unless what would be saved is not finite: then nothing is written."""
        if self._fit is not None and self._has_failed:
            self._fit.check_what_is_saved()
        elif self._fit is not None:
            self._fit.check()
        super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def state_to_keep(self, trainer: Trainer) -> dict[str, Any] | None:
        """Keep how often the run has gone back.

        Args:
            trainer: not used.

        Returns:
            The number, once it has.
        """
        return {"returns": self.returns} if self.returns else None

    def take_state(self, pl_module: LightningModule, state: dict[str, Any] | None) -> None:
        """Count on.

        Args:
            pl_module: not used.
            state: what was kept.
        """
        self.returns = state["returns"] if state else 0

    def check(self) -> None:
        """Read the marks now, between two steps of a fit; go back if that is allowed. Nothing outside a fit."""
        if self._fit is not None and not self._has_failed:
            self._fit.check(may_return=True)


def check_finite(trainer: Trainer) -> None:
    """Let the guard of a Trainer say what went first, before another callback complains of what followed.

    Args:
        trainer: that fits.
    """
    for callback in getattr(trainer, "callbacks", []):
        if isinstance(callback, FiniteGuard):
            callback.check()
