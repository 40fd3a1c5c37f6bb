"""One fit under guard: its marks batch by batch, its checks, and what follows where one finds something."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from laaf_lightning.callbacks.finite_guard.checkpoints import KnownCheckpoints
from laaf_lightning.callbacks.finite_guard.finding import Finding, first_of_all_ranks
from laaf_lightning.callbacks.finite_guard.snapshot import Snapshot, groups_of, scale_learning_rates
from laaf_lightning.callbacks.finite_guard.watch import Watch
from laaf_lightning.callbacks.lightning_internals import saves_weights_now
from laaf_lightning.errors import NonFiniteError

_LOSSES_UNDER_A_SCALER = 10


class Settings(Protocol):
    """What a guard was told, and how often it has gone back."""

    check_every_n_steps: int
    rollback: int
    lr_factor: float
    snapshot_every_n_steps: int | None
    returns: int


class GuardedFit:
    """A fit from its first batch to its end.

    Args:
        settings: of the guard.
        trainer: that fits.
        module: the module.
    """

    def __init__(self, settings: Settings, trainer: Trainer, module: LightningModule) -> None:
        self._settings, self._trainer, self._module = settings, trainer, module
        self._has_scaler = getattr(trainer.precision_plugin, "scaler", None) is not None
        self._by_hand = not module.automatic_optimization
        # A line search waits for the device at each evaluation anyway.
        searches = any("line_search_fn" in group for each in trainer.optimizers for group in groups_of(each))
        alone = trainer.world_size == 1 and not self._by_hand and not self._has_scaler
        self._reads_losses = alone and (searches or module.device.type == "cpu")
        self._reads_gradients = alone and searches
        self._checkpoints = KnownCheckpoints(trainer)
        self._snapshot: Snapshot | None = None
        self._error: NonFiniteError | None = None
        self._evaluations = 0
        self._batch: Any = None
        self._last_return: tuple[int, Finding, int] | None = None  # when, why, and at which step that was
        # Fields that are not finite while the loss is, as masked targets, are known from one batch in a while.
        self._looks_at_data = True
        self._begin()

    @torch.no_grad()
    def begin_batch(self, batch: Any) -> None:
        """Look at a batch.

        Args:
            batch: on the device.
        """
        self._watch.begin()
        if self._looks_at_data or not self._reads_losses:
            self._watch.look_at_data(batch)
            self._looks_at_data = False
        self._batch = batch
        self._steps[self._watch.batch] = self._trainer.global_step
        self._evaluations = 0

    @torch.no_grad()
    def note_loss(self, loss: Tensor) -> None:
        """Look at the weights that a step begins with and, where that is free, at the loss; later evaluations pass.

        Args:
            loss: before the backward pass.
        """
        self._evaluations += 1
        if self._by_hand:
            self._watch.look_at_loss_by_hand(loss)
        if self._evaluations > 1:
            return
        if self._reads_losses:
            self._watch.loss_value = float(loss.detach())
            if not math.isfinite(self._watch.loss_value):
                self._watch.look_at_data(self._batch)
                self._watch.look_at_loss(loss)
                self._end_or_wait()
            return
        self._watch.look_at_weights()
        if not self._has_scaler and not self._by_hand:
            self._watch.look_at_loss(loss)

    @torch.no_grad()
    def note_gradients(self) -> None:
        """Look at the gradients that a step begins with, but for a scaler's, which often are not finite."""
        if self._has_scaler:
            self._watch.stepped = True
        elif self._evaluations <= 1 or self._by_hand:
            self._watch.look_at_gradients(reads=self._reads_losses)
            if self._reads_gradients:
                self._end_or_wait(gradients_alone=True)

    @torch.no_grad()
    def end_batch(self, outputs: Any) -> None:
        """Look at the loss; check if that is due.

        Args:
            outputs: of the batch, as callbacks get them.
        """
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else None
        # What comes before the backward pass is scaled, or one of several.
        if (self._has_scaler or self._by_hand) and isinstance(loss, Tensor) and loss.numel():
            self._watch.look_at_loss(loss)
        self._watch.stepped, self._batch = True, None
        if not self._evaluations:
            self._watch.look_at_weights()
        steps = self._trainer.global_step - self._checked_at
        if self._is_due or steps >= self._settings.check_every_n_steps or saves_weights_now(self._trainer):
            self.check(may_return=True)

    def check(self, *, may_return: bool = False) -> None:
        """Wait for the device and for the other ranks, and read all marks.

        Args:
            may_return: whether the run may go back to an earlier state.

        Raises:
            NonFiniteError: if something is not finite.
        """
        with torch.inference_mode(False), torch.no_grad():
            finding = self._watch.first_finding(self._module, self._trainer.optimizers)
            if self._trainer.world_size > 1:
                finding = first_of_all_ranks(self._trainer.strategy, finding)
            if finding is None:
                self._note_finite()
            elif may_return and self._snapshot is not None and self._may_return:
                self._go_back(finding, self._snapshot)
            else:
                raise self._ended(finding, self._step(finding))

    def end(self) -> None:
        """Check for the last time, without a way back; a return that no step has followed was none.

        Raises:
            NonFiniteError: if something is not finite, or was until the last step.
        """
        self.check()
        if self._last_return is not None and self._last_return[0] == self._trainer.global_step:
            raise self._ended(*self._last_return[1:])

    def check_what_is_saved(self) -> None:
        """Look at the present state alone, without the other ranks, which may be elsewhere after an error.

        Raises:
            NonFiniteError: if weights, an optimiser's state or a buffer are not finite.
        """
        with torch.inference_mode(False), torch.no_grad():
            if not self._watch.state_is_finite(self._trainer.optimizers):
                text = "weights, a buffer or the optimiser's state are NaN or infinite, and are not saved"
                raise self._error or NonFiniteError(text)

    @property
    def _may_return(self) -> bool:
        return self._settings.returns < self._settings.rollback

    def _begin(self) -> None:
        self._watch = Watch(self._module, _LOSSES_UNDER_A_SCALER if self._has_scaler else 1)
        self._steps: dict[int, int] = {}
        self._checked_at = self._trainer.global_step
        self._is_due = False
        self._looks_at_data = True

    def _end_or_wait(self, *, gradients_alone: bool = False) -> None:
        """End within a step, unless the run may go back after it."""
        optimizers = self._trainer.optimizers
        finding = self._watch.first_finding(self._module, optimizers, gradients_alone=gradients_alone)
        if finding is not None and not self._may_return:
            raise self._ended(finding, self._step(finding))
        self._is_due = finding is not None

    def _note_finite(self) -> None:
        step, kept = self._trainer.global_step, self._snapshot
        self._checked_at, self._is_due, self._looks_at_data = step, False, True
        self._checkpoints.note()
        self._steps = dict([*self._steps.items()][-_LOSSES_UNDER_A_SCALER:])
        due = kept is None or step - kept.step >= (self._settings.snapshot_every_n_steps or 1)
        if self._may_return and due:
            self._snapshot = Snapshot(step, self._module, self._trainer.optimizers)

    def _go_back(self, finding: Finding, kept: Snapshot) -> None:
        step, settings = self._step(finding), self._settings
        self._last_return = int(self._trainer.global_step), finding, step
        settings.returns += 1
        kept.restore(self._module, self._trainer.optimizers)
        scale_learning_rates(self._trainer, self._module, settings.lr_factor)
        self._begin()
        rank_zero_info(
            f"FiniteGuard: at step {step} (counted from 0) {finding.text}; back to the state after {kept.step} steps, "
            f"with all learning rates times {settings.lr_factor:g} (return {settings.returns} of {settings.rollback})."
        )

    def _ended(self, finding: Finding, step: int) -> NonFiniteError:
        """Make the error."""
        returns = self._settings.returns
        returned = f" after {returns} return{'s' if returns > 1 else ''} to an earlier state" if returns else ""
        path = self._checkpoints.newest()
        kept = "no checkpoint was saved before"
        if path is not None:
            kept = f"the last finite checkpoint is {path} (go on from it by fit's argument ckpt_path, --ckpt_path)"
        where = f"at step {step} (counted from 0) {finding.text}"
        error = NonFiniteError(f"training was stopped{returned}: {where}; {kept}")
        error.step, error.first, error.name = step, finding.first, finding.name
        self._error = error
        return error

    def _step(self, finding: Finding) -> int:
        return self._steps.get(finding.batch, int(self._trainer.global_step))
