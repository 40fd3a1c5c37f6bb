"""The callback that weighs each residual point of a PINN by the residual there."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from laaf_lightning.callbacks.checkpoint_state import StateInCheckpoint
from laaf_lightning.callbacks.log_now import log_now
from laaf_lightning.callbacks.pointwise_weights.attention import exponential_share, residual_share
from laaf_lightning.callbacks.pointwise_weights.known_points import KnownPoints
from laaf_lightning.callbacks.pointwise_weights.measured import largest_of_all, latest_of_all, magnitudes_at
from laaf_lightning.errors import ConfigurationError, unknown_choice

PointwiseKind = Literal["rba", "vrba"]

_OFF = "or switch the callback off (--pointwise_weights.enabled false)"


class PointwiseWeights(StateInCheckpoint):
    r"""Weigh each residual point of a PINN by how large the residual there has been.

    .. math:: \mathrm{MSE}_F = \tfrac{1}{N_F} \sum_i |\lambda_i F(x_i)|^2, \qquad
        \lambda_i \leftarrow \gamma \lambda_i + \eta\, q_i

    ``"rba"``, residual-based attention: q is `residual_share`. ``"vrba"``, its variational form with an exponential
    potential: q is `exponential_share`. For several equations \|F\| is the Euclidean norm over them, without their
    weights by name. λ stays below η/(1 − γ), or its start: with the defaults the squares weigh up to 100 times as much,
    and conditions may want more weight too.

    An optimiser step begins with the update, by the residual at the (first) batch's points: one more evaluation without
    gradients. Until the next step the weights stay, in a line search too and through accumulated batches, of which each
    point is updated once. A weight belongs to its point: minibatches update their own, points that a redraw brings
    start anew, those that it keeps keep theirs. The maximum is over the batches of all processes. Weights are kept in
    checkpoints, and after the fit the module is without them.

    Logged at log steps: ``pointwise_weight/mean`` and ``/max``, of λ at the batch's points, of the first process.

    Source: Anagnostopoulos, Toscano, Stergiopulos & Karniadakis, arXiv 2307.00379 (2023); Toscano, Chen, Oommen &
    Karniadakis, arXiv 2509.14198 (2025).

    Args:
        kind: ``"rba"`` or ``"vrba"``.
        learning_rate: η > 0.
        decay: γ, 0 ≤ γ < 1.
        start: λ of a point that is new, ≥ 0.
        sharpness: c > 0 of ``"vrba"``.
        every_n_steps: optimiser steps between updates, ≥ 1.
        chunk_size: most points at a time, ≥ 1, which bounds the memory.
        enabled: false switches it off.

    Raises:
        ConfigurationError: for a value outside these ranges.

    Example:
        >>> PointwiseWeights("vrba", decay=0.99)
        PointwiseWeights(kind='vrba', learning_rate=0.01, decay=0.99)
    """

    checkpoint_key = "laaf_lightning.PointwiseWeights"

    def __init__(
        self,
        kind: PointwiseKind = "rba",
        learning_rate: float = 0.01,
        decay: float = 0.999,
        start: float = 1.0,
        sharpness: float = 1.0,
        every_n_steps: int = 1,
        chunk_size: int = 10_000,
        enabled: bool = True,
    ) -> None:
        if kind not in get_args(PointwiseKind):
            raise ConfigurationError(unknown_choice("kind of PointwiseWeights", kind, get_args(PointwiseKind)))
        for name, value in (("learning_rate", learning_rate), ("sharpness", sharpness)):
            if not (math.isfinite(value) and value > 0):
                raise ConfigurationError(f"{name}={value} of PointwiseWeights must be finite and > 0")
        if not 0 <= decay < 1:
            raise ConfigurationError(f"decay={decay} of PointwiseWeights must be >= 0 and < 1")
        if not (math.isfinite(start) and start >= 0):
            raise ConfigurationError(f"start={start} of PointwiseWeights must be finite and >= 0")
        for name, value in (("every_n_steps", every_n_steps), ("chunk_size", chunk_size)):
            if value < 1:
                raise ConfigurationError(f"{name}={value} of PointwiseWeights must be >= 1")
        self.kind, self.learning_rate, self.decay, self.start = kind, learning_rate, decay, start
        self.sharpness, self.every_n_steps, self.chunk_size = sharpness, every_n_steps, chunk_size
        self.enabled = enabled
        self._known: KnownPoints | None = None
        self._restored: dict[str, Any] | None = None
        self._last: tuple[Any, Tensor] = (None, torch.zeros(0))

    def __repr__(self) -> str:
        shown = ("kind", "learning_rate", "decay")
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget an earlier fit; a checkpoint is loaded after this."""
        self._known = self._restored = None
        self._last = (None, torch.zeros(0))

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigurationError: for a module that is no PINN or optimises manually, without a DataModule that tells its
                residual points, or for a second callback of this kind.
        """
        if not self.enabled:
            return
        name = type(pl_module).__name__
        callbacks: list[Callback] = getattr(trainer, "callbacks", [])
        if sum(isinstance(other, PointwiseWeights) and other.enabled for other in callbacks) > 1:
            raise ConfigurationError("several PointwiseWeights would each weigh the same points: keep one")
        if not (hasattr(pl_module, "point_weights") and callable(getattr(pl_module, "residual", None))):
            raise ConfigurationError(
                f"PointwiseWeights needs residual(points) and an attribute point_weights of {name}, by which its loss "
                f"multiplies the squared residuals, as a PINN has them: write them, {_OFF}"
            )
        if not pl_module.automatic_optimization:
            raise ConfigurationError(
                f"PointwiseWeights sets weights before each optimiser step, and {name} optimises manually, so that "
                f"only itself knows when that is: set them in its training_step, {_OFF}"
            )
        data: Any = getattr(trainer, "datamodule", None)
        if not callable(getattr(data, "residual_points", None)):
            lacks = "this fit has only loaders" if data is None else f"{type(data).__name__} has no residual_points()"
            raise ConfigurationError(
                f"PointwiseWeights asks the DataModule which residual points there are, and {lacks}: take "
                f"laaf_lightning.CollocationDataModule, write the method, {_OFF}"
            )
        self._known = KnownPoints(self.start, data.residual_points)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Update the weights of the batch's points if their step has begun, and give the module its own.

        Raises:
            ConfigurationError: if the residual is not finite at a point, or has no row for each.
        """
        if not self.enabled or self._known is None:
            return
        if self._restored is not None:
            restored, self._restored = self._restored, None
            self._known.take(restored["points"], restored["weights"], restored["updated"])
        points: Tensor = batch.residual_points
        if self._last[0] is not points:
            self._last = points, self._known.rows(points.detach().cpu())
        rows, step = self._last[1], trainer.global_step
        updated = self._known.updated[rows]
        due = (updated < 0) | (step // self.every_n_steps > updated.div(self.every_n_steps, rounding_mode="floor"))
        if trainer.strategy.reduce_boolean_decision(bool(due.any()), all=False):
            magnitudes = magnitudes_at(trainer, pl_module, points, self.chunk_size)
            largest = largest_of_all(magnitudes, trainer.strategy)
            if self.kind == "rba":
                share = residual_share(magnitudes, largest)
            else:
                share = exponential_share(magnitudes, largest, step, self.sharpness)
            moved = self.decay * self._known.weights[rows] + self.learning_rate * share
            self._known.weights[rows[due]] = moved[due]
            self._known.updated[rows[due]] = step
        weights = self._known.weights[rows]
        pl_module.point_weights = weights.square()[:, None].to(points)
        if (every := getattr(trainer, "log_every_n_steps", 0)) and (step + 1) % every == 0:
            numbers = {"pointwise_weight/mean": weights.mean().item(), "pointwise_weight/max": weights.max().item()}
            log_now(trainer, numbers, step)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the module without weights."""
        self._release(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the module without weights."""
        self._release(pl_module)

    def state_to_keep(self, trainer: Trainer) -> dict[str, Any] | None:
        """Keep points and weights of all processes.

        Args:
            trainer: has the processes.

        Returns:
            Tensors, once there was a batch.
        """
        if not self.enabled or self._known is None or not len(self._known.weights):
            return None
        state = self._known.state()
        return state if trainer.world_size == 1 else latest_of_all(state, trainer.strategy)

    def take_state(self, pl_module: LightningModule, state: dict[str, Any] | None) -> None:
        """Remember the weights until the first batch.

        Args:
            pl_module: not used.
            state: what was kept.
        """
        self._restored = state

    @staticmethod
    def _release(module: LightningModule) -> None:
        if getattr(module, "point_weights", None) is not None:
            module.point_weights = None  # type: ignore[assignment]
