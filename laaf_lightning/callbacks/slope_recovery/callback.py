"""The callback that adds W_a·S(a) to the loss of any LightningModule and logs its slopes."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from laaf_lightning.activations import Operator, Reduction, adaptive_sites, check_reduction, resolve_operator
from laaf_lightning.callbacks.checkpoint_state import StateInCheckpoint
from laaf_lightning.callbacks.finite_guard import check_finite
from laaf_lightning.callbacks.slope_recovery.assumption import TheoremAssumption, measure_assumption
from laaf_lightning.callbacks.slope_recovery.refusals import (
    refuse_company,
    refuse_manual_optimization,
    refuse_without_activations,
    warn_about_line_search,
)
from laaf_lightning.callbacks.slope_recovery.slope_log import SlopeLog
from laaf_lightning.callbacks.slope_recovery.slope_record import SlopeRecord
from laaf_lightning.callbacks.slope_recovery.weight_schedules import ConstantWeight, WeightSchedule, weight_at
from laaf_lightning.callbacks.slope_recovery.weighted_recovery import WeightedRecovery
from laaf_lightning.callbacks.slope_recovery.wrapped_step import LossTerm, unwrap_training_step
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import Drawable


class SlopeRecovery(StateInCheckpoint):
    """Add W_a·S(a) to the training loss of any LightningModule; log the slopes n·a.

    The module needs no change: its ``training_step`` is wrapped on the instance while it is fitted, so that
    accumulation, precision, clipping, line searches and DDP treat the term as part of the loss. (Lightning's tuner
    searches without any callback, so without the term.)

    Logged, at every `log_every_n_steps` optimiser steps: ``slope/<layer>/mean``, and for layers with several slopes
    ``/std`` (population), ``/lower`` and ``/upper`` (mean ∓ std), all of n·a after the step; ``slope_recovery`` (S of
    these slopes) and, with automatic optimisation, ``slope_recovery_objective`` (the step's own loss + W_a·S, averaged
    over ranks).

    A module that has ``constant_network_loss(batch) -> Tensor | None`` gets the assumption of Theorem 2.1 checked on
    the first batch of a new run; on several ranks its numbers are averages over ranks (see `measure_assumption`).

    Source: Jagtap, Kawaguchi & Karniadakis, Proc. R. Soc. A 476:20200334 (2020), eq. 3.

    Args:
        weight: W_a ≥ 0, or a schedule of the optimiser step (`OffAfter`, `LinearDecay`, `CosineDecay`). 0 only
            logs, and wraps nothing.
        operator: of S(a): ``"exp"`` (the paper), ``"identity"``, ``"softplus"`` or a callable.
        reduction: ``"mean"`` over layers (the paper) or ``"sum"`` (the authors' regression code).
        log_every_n_steps: optimiser steps between log entries; None takes the Trainer's.
        histograms: whether to write a TensorBoard histogram of each layer's n·a too.

    Attributes:
        assumption: the numbers of Theorem 2.1, once checked; kept in checkpoints.

    Raises:
        ConfigurationError: for a negative weight, an unknown operator or reduction.

    Example:
        >>> from laaf_lightning.callbacks import OffAfter
        >>> SlopeRecovery(weight=OffAfter(steps=2000), reduction="mean").weight
        OffAfter(weight=1.0, steps=2000)
    """

    checkpoint_key = "laaf_lightning.SlopeRecovery"

    def __init__(
        self,
        weight: float | WeightSchedule = 1.0,
        operator: Operator = "exp",
        reduction: Reduction = "mean",
        log_every_n_steps: int | None = None,
        histograms: bool = False,
    ) -> None:
        self.weight = weight if isinstance(weight, WeightSchedule) else ConstantWeight(weight)
        resolve_operator(operator)
        check_reduction(reduction)
        if log_every_n_steps is not None and log_every_n_steps < 1:
            raise ConfigurationError(f"log_every_n_steps={log_every_n_steps} must be >= 1, or None for the Trainer's")
        self.operator: Operator = operator
        self.reduction: Reduction = reduction
        self.log_every_n_steps = log_every_n_steps
        self.histograms = histograms
        self.assumption: TheoremAssumption | None = None
        self._scale = 1.0
        self._recovery: WeightedRecovery | None = None
        self._slope_log: SlopeLog | None = None
        self._term: LossTerm | None = None
        self._record: SlopeRecord | None = None
        self._earlier_record: dict[str, Any] | None = None
        self._is_new = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(weight={self.weight}, operator={self.operator!r}, reduction={self.reduction!r})"

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the slopes, refuse what cannot work, wrap the training step."""
        self._release(pl_module)  # also a wrapper that a copy has kept from the fit in which it was made
        self._scale = 1.0
        self._record = None
        refuse_company([other for other in getattr(trainer, "callbacks", []) if isinstance(other, SlopeRecovery)])
        sites = adaptive_sites(pl_module)
        if sites:
            parameters = {name: site.a for name, site in sites if site.a is not None}
            self._recovery = WeightedRecovery(parameters, self.operator, self.reduction)
            self._slope_log = SlopeLog(sites, self.log_every_n_steps, self.histograms)
            self._record = self._slope_log.record
            self._record.go_on_from(self._earlier_record)
            self._earlier_record = None
        if self.weight.is_always_zero:
            return
        refuse_without_activations(pl_module, self.weight)
        if self._recovery is None:
            rank_zero_info("Slope recovery: all activations have scope 'fixed', so nothing is added to the loss.")
            return
        refuse_manual_optimization(pl_module)
        warn_about_line_search(trainer, pl_module)
        self._term = LossTerm(pl_module, self._recovery.add_to)

    def value_at(self, step: int) -> Tensor | None:
        """Compute S(a) for a callback that balances the terms of a loss.

        Args:
            step: number of optimiser steps taken so far.

        Returns:
            0-dim, attached to the graph; None where no S(a) is in the loss: outside a fit, without a weight at this
            step, or without slopes.
        """
        if self._recovery is None or self._term is None or not weight_at(self.weight, step):
            return None
        return self._recovery.value()

    def rescale(self, scale: float, step: int) -> float:
        """Multiply the weight, or what the schedule says, by a factor from now on to the end of the fit.

        Args:
            scale: the factor, finite and ≥ 0.
            step: number of optimiser steps taken so far.

        Returns:
            W_a of this step; 0 where no S(a) is in the loss.
        """
        self._scale = scale
        if self._recovery is None or self._term is None:
            return 0.0
        self._recovery.set_weight(scale * weight_at(self.weight, step))
        return self._recovery.weight

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count log steps from here; expect the theorem's numbers from a new run's first batch."""
        if self._slope_log is not None:
            self._slope_log.start(trainer.global_step)
        self._is_new = trainer.global_step == 0
        self.assumption = None if self._is_new else self.assumption
        if self._is_new and self._recovery is not None and self._term is not None:
            self._recovery.keeps_next_objective = True

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set the weight of this optimiser step."""
        self.rescale(self._scale, trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check the theorem's assumption once; log at log steps, and check there that S is usable."""
        if self._recovery is None or self._slope_log is None:
            return
        self._recovery.keeps_next_objective = False  # the first batch may have had no loss
        if self._recovery.kept_objective is not None:
            objective, self._recovery.kept_objective = self._recovery.kept_objective, None
            self._check_assumption(trainer, pl_module, batch, objective, self._recovery)
        if self._slope_log.is_due(trainer):
            self._slope_log.write(trainer, self._checked_value(trainer, self._recovery), outputs)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the wrapper off; say what the theorem says of this run."""
        self._release(pl_module)
        if self._is_new and self.assumption is not None:
            rank_zero_info(f"Slope recovery: {self.assumption.in_words()}.")

    def figure_data(self) -> dict[str, Drawable]:
        """Return the slopes of the last fit, as far as it has come, for drawing.

        Returns:
            ``"slope"``: n·a of every layer at the log steps; nothing without slopes or before the first of these steps.
        """
        history = None if self._record is None else self._record.history()
        return {} if history is None else {"slope": history}

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the wrapper off."""
        self._release(pl_module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the wrapper off where neither of the other two ran, as in the tuner."""
        self._release(pl_module)

    def state_to_keep(self, trainer: Trainer) -> dict[str, Any] | None:
        """Keep the theorem's numbers and the slopes so far; the schedule's step is the Trainer's own.

        Args:
            trainer: not used.

        Returns:
            Plain numbers and a tensor, once they are known.
        """
        state: dict[str, Any] = {} if self.assumption is None else {"assumption": dict(vars(self.assumption))}
        if self._record is not None:
            state["record"] = self._record.state()
        return state or None

    def take_state(self, pl_module: LightningModule, state: dict[str, Any] | None) -> None:
        """Restore the theorem's numbers, which a trained network cannot give again, and the slopes so far.

        Args:
            pl_module: not used.
            state: what was kept.
        """
        if state is not None and "assumption" in state:
            self.assumption = TheoremAssumption(**state["assumption"])
        self._earlier_record = None if state is None else state.get("record")

    @staticmethod
    def _checked_value(trainer: Trainer, recovery: WeightedRecovery) -> float:
        """Compute S(a); where it is unusable, a guard may know what went first, or go back."""
        try:
            return recovery.checked_value()
        except ConfigurationError:
            check_finite(trainer)
            return recovery.checked_value()

    def _check_assumption(
        self, trainer: Trainer, module: LightningModule, batch: Any, objective: Tensor, recovery: WeightedRecovery
    ) -> None:
        """Compare the first step's objective with the best constant network's, and record what came out."""
        at_zero = recovery.weight * recovery.at_zero() if recovery.weight else 0.0
        self.assumption = measure_assumption(trainer, module, batch, objective, at_zero)
        if self.assumption is not None:
            for logger in trainer.loggers:
                logger.log_metrics(self.assumption.metrics(), step=0)

    def _release(self, module: LightningModule) -> None:
        """Take the wrapper off and forget the module."""
        if self._term is not None:
            self._term.remove()
        unwrap_training_step(module)
        self._term = self._recovery = self._slope_log = None
