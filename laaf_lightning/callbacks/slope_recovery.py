"""The callback that adds W_a·S(a) to the loss of any LightningModule and logs its slopes."""

from __future__ import annotations

import math
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor

from laaf_lightning.activations import (
    AdaptiveActivation,
    Operator,
    Reduction,
    adaptive_sites,
    check_reduction,
    recovery_at_zero,
    recovery_of,
    resolve_operator,
)
from laaf_lightning.callbacks.assumption import TheoremAssumption
from laaf_lightning.callbacks.loss_term import unwrap_training_step, wrap_training_step
from laaf_lightning.callbacks.schedules import ConstantWeight, WeightSchedule
from laaf_lightning.callbacks.slope_statistics import Sites, chart_layout, slope_statistics, tensorboard_writers
from laaf_lightning.errors import ConfigurationError

_ONLY_LOG = "set the weight to 0 to train without it (--slope_recovery.weight 0)"


class SlopeRecovery(Callback):
    """Add W_a·S(a) to the training loss of any LightningModule; log the slopes n·a.

    The module needs no change: its ``training_step`` is wrapped on the instance while it is fitted, so that
    accumulation, precision, clipping, line searches and DDP treat the term as part of the loss. Logged, at every
    `log_every_n_steps` optimiser steps: ``slope/<layer>/mean``, and for layers with several slopes ``/std``
    (population), ``/lower`` and ``/upper`` (mean ∓ std), all of n·a; ``slope_recovery`` (S) and
    ``slope_recovery_objective`` (loss + W_a·S of that step). A module that has
    ``constant_network_loss(batch) -> Tensor | None`` gets the assumption of Theorem 2.1 checked on its first batch.

    Source: Jagtap, Kawaguchi & Karniadakis, Proc. R. Soc. A 476:20200334 (2020), eq. 3.

    Args:
        weight: W_a ≥ 0, or a schedule of the optimiser step (`OffAfter`, `LinearDecay`, `CosineDecay`). 0 only
            logs, and wraps nothing.
        operator: of S(a): ``"exp"`` (the paper), ``"identity"``, ``"softplus"`` or a callable.
        reduction: ``"mean"`` over layers (the paper) or ``"sum"`` (the authors' regression code).
        log_every_n_steps: optimiser steps between log entries; None takes the Trainer's.
        histograms: whether to write a TensorBoard histogram of each layer's n·a too.

    Attributes:
        assumption: the numbers of Theorem 2.1, once checked.

    Raises:
        ConfigurationError: for a negative weight, an unknown operator or reduction.

    Example:
        >>> from laaf_lightning.callbacks import OffAfter
        >>> SlopeRecovery(weight=OffAfter(steps=2000), reduction="mean").weight
        OffAfter(weight=1.0, steps=2000)
    """

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
        self._sites: Sites = []
        self._module: LightningModule | None = None
        self._current_weight = 0.0
        self._weight_tensor: Tensor | None = None
        self._objective: Tensor | None = None
        self._recovery: Tensor | None = None
        self._first_objective: Tensor | None = None
        self._logged_step = -1
        self._warned = False

    @property
    def _is_off(self) -> bool:
        return isinstance(self.weight, ConstantWeight) and self.weight.weight == 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the slopes, refuse what cannot work, wrap the training step."""
        unwrap_training_step(pl_module)
        self._sites = adaptive_sites(pl_module)
        self._logged_step = -1
        self._warned = False
        if self._is_off:
            return
        if not any(isinstance(module, AdaptiveActivation) for module in pl_module.modules()):
            raise ConfigurationError(
                f"slope recovery has weight {self.weight}, but {type(pl_module).__name__} has no AdaptiveActivation: "
                f"build it with them or use laaf_lightning.adapt, or {_ONLY_LOG}"
            )
        if not self._sites:
            rank_zero_info("Slope recovery: all activations have scope 'fixed', so nothing is added to the loss.")
            return
        if not pl_module.automatic_optimization:
            raise ConfigurationError(
                f"slope recovery cannot add its term to the loss of {type(pl_module).__name__}, which optimises "
                f"manually: add laaf_lightning.slope_recovery(self) to the loss in its training_step, and {_ONLY_LOG}"
            )
        _warn_about_line_search(trainer, pl_module)
        self._module = pl_module
        self._weight_tensor = torch.zeros((), device=pl_module.device)
        self._current_weight = 0.0
        wrap_training_step(pl_module, self._add_term)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Describe the slope charts to TensorBoard."""
        if self._sites and trainer.is_global_zero:
            for writer in tensorboard_writers(trainer.loggers):
                writer.add_custom_scalars(chart_layout(self._sites))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set the weight of this optimiser step."""
        if self._weight_tensor is None:
            return
        value = self.weight(trainer.global_step)
        if not (math.isfinite(value) and value >= 0):
            raise ConfigurationError(
                f"the schedule {self.weight} gave weight {value} at step {trainer.global_step}: it must be finite, >= 0"
            )
        if value != self._current_weight:
            self._current_weight = value
            self._weight_tensor.fill_(value)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check the theorem's assumption once; log at log steps."""
        if self._first_objective is not None:
            self._check_assumption(trainer, pl_module, batch)
        every = self.log_every_n_steps or getattr(trainer, "log_every_n_steps", 0)
        step = trainer.global_step
        if self._sites and every and step % every == 0 and step not in {0, self._logged_step}:
            self._logged_step = step
            self._log(trainer, step - 1)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the wrapper off."""
        self._release(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the wrapper off."""
        self._release(pl_module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the wrapper off where neither of the other two ran, as in the tuner."""
        self._release(pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Keep the theorem's numbers, so that a resumed run does not check a trained network.

        Returns:
            Plain numbers; the schedule's step is the Trainer's own.
        """
        numbers = self.assumption
        return {"assumption": None if numbers is None else dict(vars(numbers))}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` kept.

        Args:
            state_dict: a dictionary that `state_dict` returned.
        """
        numbers = state_dict["assumption"]
        self.assumption = None if numbers is None else TheoremAssumption(**numbers)

    def _add_term(self, module: LightningModule, loss: Tensor) -> Tensor:
        """Return loss + W_a·S(a) for the module of this fit, the loss itself for a copy of it."""
        if module is not self._module or self._weight_tensor is None:
            return loss
        objective = loss
        self._recovery = None
        if self._current_weight:
            self._recovery = self._slope_recovery()
            objective = loss + self._weight_tensor.to(loss.device) * self._recovery.to(loss.device)
        if self.assumption is None and self._first_objective is None and module.trainer.global_step == 0:
            self._first_objective = objective.detach()
        self._objective = objective.detach()
        return objective

    def _slope_recovery(self) -> Tensor:
        return recovery_of([site.a for _, site in self._sites if site.a is not None], self.operator, self.reduction)

    def _check_assumption(self, trainer: Trainer, module: LightningModule, batch: Any) -> None:
        """Compare the first step's objective with the best constant network's, once."""
        first, self._first_objective = self._first_objective, None
        best_constant = getattr(module, "constant_network_loss", None)
        if self.assumption is not None or first is None or best_constant is None:
            return
        if (constant := best_constant(batch)) is None:
            return
        at_zero = self.weight(0) * float(recovery_at_zero(len(self._sites), self.operator, self.reduction))
        self.assumption = TheoremAssumption(first.item(), float(constant), 0.0 if math.isnan(at_zero) else at_zero)
        rank_zero_info(f"Slope recovery: {self.assumption}.")
        for logger in trainer.loggers:
            logger.log_metrics(self.assumption.metrics(), step=0)

    def _log(self, trainer: Trainer, step: int) -> None:
        """Write slopes, S and the objective; check that S is usable."""
        metrics, crossed = slope_statistics(self._sites)
        with torch.no_grad():
            recovery = float(self._slope_recovery())
        if self._current_weight and not (math.isfinite(recovery) and recovery > 0):
            raise self._unusable(recovery)
        metrics["slope_recovery"] = recovery
        if self._objective is not None:
            metrics["slope_recovery_objective"] = float(trainer.strategy.reduce(self._objective, reduce_op="mean"))
        if crossed and not self._warned:
            self._warned = True
            rank_zero_warn(
                f"a slope n·a is <= 0 at step {step}: the activation is flat or mirrored there; a smaller learning "
                "rate for the slopes (slope_lr) or slope recovery keeps them positive"
            )
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in metrics.items()})
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=step)
        if self.histograms and trainer.is_global_zero:
            for writer in tensorboard_writers(trainer.loggers):
                for name, site in self._sites:
                    writer.add_histogram(f"slope/{name}", site.slope.detach().float().cpu(), step)

    def _unusable(self, recovery: float) -> ConfigurationError:
        """Name the operator and the layer that made S non-finite or ≤ 0."""
        operator = resolve_operator(self.operator)
        with torch.no_grad():
            terms = {name: float(operator(site.a.float().mean())) for name, site in self._sites if site.a is not None}
        name, term = min(terms.items(), key=lambda item: item[1] if math.isfinite(item[1]) else -math.inf)
        return ConfigurationError(
            f"S(a) = {recovery:g} with operator {self.operator!r} must be finite and > 0: layer {name!r} gives "
            f"{term:g}; take operator 'exp', which is positive everywhere, a smaller learning rate, or {_ONLY_LOG}"
        )

    def _release(self, module: LightningModule) -> None:
        """Take the wrapper off and forget the module."""
        unwrap_training_step(module)
        self._module = None
        self._weight_tensor = None
        self._first_objective = None


def _warn_about_line_search(trainer: Trainer, module: LightningModule) -> None:
    """Warn where each rank would search along its own loss."""
    groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
    searches = any(group.get("line_search_fn") is not None for group in groups)
    averages = getattr(module, "averages_closure_over_ranks", False)
    if trainer.world_size > 1 and searches and not averages:
        rank_zero_warn(
            f"{type(module).__name__} searches along a line on {trainer.world_size} ranks: gradients are averaged, but "
            "each rank sees its own loss, so the ranks part ways; average the closure's value over ranks in "
            "optimizer_step, as the modules of laaf_lightning do"
        )
