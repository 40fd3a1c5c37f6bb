"""Weights of the terms of a loss that balance their gradients while training goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from laaf_lightning.callbacks.checkpoint_state import StateInCheckpoint
from laaf_lightning.callbacks.log_now import log_now
from laaf_lightning.callbacks.loss_weights.module_terms import ModuleTerms, trained_parameters
from laaf_lightning.callbacks.loss_weights.scheme import Measurable, over_ranks
from laaf_lightning.callbacks.loss_weights.schemes import WeightingScheme, scheme_of
from laaf_lightning.callbacks.slope_recovery.callback import SlopeRecovery
from laaf_lightning.callbacks.undisturbed import undisturbed
from laaf_lightning.errors import ConfigurationError

_RECOVERY = "slope_recovery"


class AdaptiveLossWeights(StateInCheckpoint):
    r"""Balance the terms of a loss: by their gradients' norms, the tangent kernel's traces, or how they fall.

    ``scheme="gradient_norms"``: `balanced_weights`, λ_i ← αλ_i + (1 − α) Σ_j‖∇L_j‖/‖∇L_i‖ (Wang, Sankaran, Wang &
    Perdikaris, arXiv 2308.08468, after Wang, Teng & Perdikaris, SIAM J. Sci. Comput. 43, 2021). ``"ntk"``:
    `TangentKernel`, traces in the place of norms (arXiv 2007.14527). ``"relobralo"``: `RelativeLosses` (arXiv
    2110.09813), made for updates at every step or few; its authors take a momentum of 0.999.

    The terms L_i are the module's ``loss_terms(batch) -> dict[str, Tensor]``, without their weights, and λ_i is its
    attribute ``weight_<term>``, for a PINN W_F and W_u. By name they are ``named_loss_terms(batch)``, and λ_i is
    ``weights[<term>]``: for a PINN each equation, condition and own term, and W_F and W_u stay as they are, factors
    beside λ_i. A term with a schedule has λ_i times the schedule. The first optimiser step of a run and every k-th one
    start with an update on the step's (first) batch; between updates, and so within a line search, the weights stay.
    Gradients are by the parameters of ``module.network``, of the module itself if it has none, and averaged over ranks.

    The module's weights at the beginning are the starting values; a term of weight 0 is switched off and stays so, and
    one whose gradient vanishes keeps its weight. Weights are kept in checkpoints, and after the fit the module has the
    last ones. Logged at each update: ``loss_weight/<term>``.

    With `slope_recovery`, S(a) of the Trainer's `SlopeRecovery` is one more term: W_a is λ_a times that callback's own
    weight or schedule, with λ_a = 1 at the beginning. S(a) falls in every slope and never reaches zero: it has no
    minimum, and its gradient fades only as the slopes grow, whereupon λ_a grows instead. So the balanced term goes on
    pulling at the slopes as strongly as every other term pulls at the network, and a long run may drive them off: end
    it with an `OffAfter` schedule.

    Args:
        every_n_steps: optimiser steps between updates, ≥ 1.
        momentum: α, 0 ≤ α < 1.
        slope_recovery: whether W_a is balanced too.
        enabled: false switches it off.
        scheme: ``"gradient_norms"``, ``"ntk"`` or ``"relobralo"``.
        by_name: whether each term of a PINN is balanced by its name; None, the default, does so where its terms have
            weights by name, its equations have names, or it has own terms.
        temperature: T > 0 of ReLoBRaLo.
        lookback: E[ρ] of ReLoBRaLo, 0 … 1.
        points: most points of a term at which the tangent kernel's trace is computed, ≥ 1.
        seed: of ReLoBRaLo's ρ and of the tangent kernel's points, ≥ 0.

    Raises:
        ConfigurationError: for a value outside these ranges.

    Example:
        >>> AdaptiveLossWeights(every_n_steps=100)
        AdaptiveLossWeights(every_n_steps=100, momentum=0.9, slope_recovery=False)
    """

    checkpoint_key = "laaf_lightning.AdaptiveLossWeights"

    def __init__(
        self,
        every_n_steps: int = 1000,
        momentum: float = 0.9,
        slope_recovery: bool = False,
        enabled: bool = True,
        scheme: WeightingScheme = "gradient_norms",
        by_name: bool | None = None,
        temperature: float = 0.1,
        lookback: float = 0.999,
        points: int = 64,
        seed: int = 0,
    ) -> None:
        if every_n_steps < 1:
            raise ConfigurationError(f"every_n_steps={every_n_steps} of AdaptiveLossWeights must be >= 1")
        if not 0 <= momentum < 1:
            raise ConfigurationError(f"momentum={momentum} of AdaptiveLossWeights must be >= 0 and < 1")
        self.every_n_steps, self.momentum, self.slope_recovery = every_n_steps, momentum, slope_recovery
        self.enabled, self.scheme, self.by_name = enabled, scheme, by_name
        self._scheme = scheme_of(scheme, momentum, temperature, lookback, points, seed)
        self._weights: dict[str, float] = {}
        self._last_step: int | None = None  # of the last update

    def __repr__(self) -> str:
        shown = [
            "every_n_steps",
            "momentum",
            "slope_recovery",
            *(["scheme"] if self.scheme != "gradient_norms" else []),
        ]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget an earlier run; a checkpoint is loaded after this."""
        if stage == "fit" and trainer.global_step == 0:
            self._weights, self._last_step = {}, None
            self._scheme.take({})

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigurationError: for a module without ``loss_terms(batch)`` or that optimises manually, for a second
                callback of this kind, or where slope recovery is to be balanced and there is none.
        """
        if not self.enabled:
            return
        name = type(pl_module).__name__
        off = "or switch the callback off (--adaptive_loss_weights.enabled false)"
        callbacks: list[Callback] = getattr(trainer, "callbacks", [])
        if sum(isinstance(other, AdaptiveLossWeights) and other.enabled for other in callbacks) > 1:
            raise ConfigurationError("several AdaptiveLossWeights would each balance the same weights: keep one")
        if not callable(getattr(pl_module, "loss_terms", None)):
            raise ConfigurationError(f"AdaptiveLossWeights needs a method loss_terms(batch) of {name}: write it, {off}")
        ModuleTerms(pl_module, self.by_name)
        if not pl_module.automatic_optimization:
            raise ConfigurationError(
                f"AdaptiveLossWeights sets weights before each optimiser step, and {name} optimises manually, so that "
                f"only itself knows when that is: set them in its training_step, {off}"
            )
        if self.slope_recovery and not any(isinstance(other, SlopeRecovery) for other in callbacks):
            raise ConfigurationError(
                "AdaptiveLossWeights(slope_recovery=True) balances the weight of SlopeRecovery, which is not among the "
                "Trainer's callbacks: add it, or leave slope_recovery at false"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the weights of a run that goes on back, that of slope recovery too."""
        if self.enabled:
            self._set(trainer, pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Update the weights if the optimiser step that begins is due.

        Raises:
            ConfigurationError: if the module lacks the weight of a term, or a gradient is not finite.
        """
        step = trainer.global_step
        if not self.enabled or not self._is_due(step):
            return
        self._last_step = step
        with undisturbed(pl_module, gradients=True):
            terms = self._measurable(trainer, pl_module, batch)
            measures = {} if terms is None else self._scheme.measure(terms)
        if measures:
            averages = over_ranks(measures, trainer.strategy, self._scheme.measured)
            self._weights |= self._scheme.weights(averages, {name: self._weights[name] for name in averages}, step)
        metrics = {f"loss_weight/{name}": weight for name, weight in self._set(trainer, pl_module).items()}
        log_now(trainer, metrics, step)

    def state_to_keep(self, trainer: Trainer) -> dict[str, Any] | None:
        """Keep the weights and the step of their last update.

        Args:
            trainer: not used.

        Returns:
            Both, once there was an update.
        """
        if not self.enabled or self._last_step is None:
            return None
        kept: dict[str, Any] = {"weights": dict(self._weights), "step": self._last_step}
        return kept | ({"scheme": self.scheme, "state": state} if (state := self._scheme.state()) else {})

    def take_state(self, pl_module: LightningModule, state: dict[str, Any] | None) -> None:
        """Take the weights over, and give the module its own.

        Args:
            pl_module: the module.
            state: what was kept.
        """
        self._weights, self._last_step = (dict(state["weights"]), state["step"]) if state else ({}, None)
        self._scheme.take(state["state"] if state and state.get("scheme") == self.scheme else {})
        if self.enabled:
            self._set_module(pl_module)

    def _is_due(self, step: int) -> bool:
        return self._last_step is None or step // self.every_n_steps > self._last_step // self.every_n_steps

    def _measurable(self, trainer: Trainer, module: LightningModule, batch: Any) -> Measurable | None:
        """Return the terms that are on; note the weights that they have now."""
        terms = ModuleTerms(module, self.by_name)
        recovery, step = self._recovery(trainer), trainer.global_step
        parameters = trained_parameters(module)

        def compute() -> dict[str, Tensor]:
            with trainer.precision_plugin.forward_context():
                values = terms(batch)
            value = None if recovery is None else recovery.value_at(step)
            return values if value is None else values | {_RECOVERY: value}

        def residuals(most: int, seed: int) -> Mapping[str, Tensor]:
            assert terms.residuals is not None
            with trainer.precision_plugin.forward_context():
                return terms.residuals(batch, most, seed)

        names, first = [], compute()
        for name in first:
            if name == _RECOVERY and recovery is not None:
                self._weights.setdefault(_RECOVERY, 1.0)
                names.append(name)
                continue
            self._weights[name] = terms.weight(name)
            if terms.is_on(name):
                names.append(name)
        computed = [first]  # which the first use takes
        if not names:
            return None
        return Measurable(
            names,
            lambda: computed.pop() if computed else compute(),
            None if terms.residuals is None else residuals,
            parameters,
            step,
        )

    def _set(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        """Give module and slope recovery their weights; return what enters the loss."""
        entering = self._set_module(module)
        recovery = self._recovery(trainer)
        if recovery is not None and _RECOVERY in self._weights:
            entering[_RECOVERY] = recovery.rescale(self._weights[_RECOVERY], trainer.global_step)
        return entering

    def _set_module(self, module: LightningModule) -> dict[str, float]:
        weights = {name: weight for name, weight in self._weights.items() if name != _RECOVERY}
        ModuleTerms(module, self.by_name).set(weights)
        return weights

    def _recovery(self, trainer: Trainer) -> SlopeRecovery | None:
        if not self.slope_recovery:
            return None
        callbacks: list[Callback] = getattr(trainer, "callbacks", [])
        return next(callback for callback in callbacks if isinstance(callback, SlopeRecovery))
