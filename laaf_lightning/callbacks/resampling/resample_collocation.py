"""New residual points for a PINN while it trains: uniformly, or where the residual is large."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from laaf_lightning.callbacks.checkpoint_state import StateInCheckpoint
from laaf_lightning.callbacks.log_now import log_now
from laaf_lightning.callbacks.resampling.residual_draws import (
    choose_by_weight,
    draw_seeds,
    largest_residuals,
    rad_weights,
)
from laaf_lightning.callbacks.resampling.residual_magnitudes import ResidualData, residual_data, residual_magnitudes
from laaf_lightning.errors import ConfigurationError, unknown_choice

ResamplingMethod = Literal["uniform", "rad", "rar"]

_CANDIDATES_PER_POINT = 10


class _Drawn(NamedTuple):
    """What rank zero tells the others: new points, or why there are none."""

    points: Tensor | None
    metrics: dict[str, float]
    refusal: str | None = None


class ResampleCollocation(StateInCheckpoint):
    r"""Draw the residual points of a PINN anew every k optimiser steps.

    ``"uniform"`` draws all with the DataModule's own sampler. ``"rad"`` draws all from many candidates, without
    replacement, with probability proportional to :math:`|r|^k / \operatorname{mean}|r|^k + c`. ``"rar"`` keeps the
    points and adds the candidates with the largest \|r\|. The residual r is ``module.residual(points)``, for several
    equations its Euclidean norm.

    Points change between two optimiser steps only: never between the batches of an accumulated step, nor between the
    closure calls of L-BFGS (whose curvature pairs, however, then mix two point sets: redraw seldom). They depend on
    `seed` and the optimiser step, not on global random states; rank zero draws for all. They are kept in checkpoints,
    and stay with the DataModule after the fit. The error jumps when points change: `until_step` fixes them for the
    last part of a run.

    Logged at each redraw: ``collocation/points``, and for ``"rad"`` and ``"rar"`` ``collocation/mean_residual`` and
    ``collocation/max_residual``, of \|r\| at the candidates.

    Source: Wu, Zhu, Tan, Kartha & Lu, Comput. Methods Appl. Mech. Eng. 403 (2023) 115671 (arXiv 2207.10289); for
    ``"rar"`` Lu, Meng, Mao & Karniadakis, SIAM Review 63 (2021).

    Args:
        every_n_steps: optimiser steps between redraws, ≥ 1.
        method: ``"uniform"``, ``"rad"`` or ``"rar"``.
        num_candidates: points at which the residual is computed; None for ten times the residual points.
        power: k > 0 of ``"rad"``.
        offset: c ≥ 0 of ``"rad"``: the larger, the more uniform.
        num_added: points that ``"rar"`` adds, ≥ 1; on several processes a multiple of their number.
        max_points: most residual points of ``"rar"``; None for no limit.
        from_step: the first optimiser step after which points may change, ≥ 0.
        until_step: the last optimiser step after which points may change; None for all.
        seed: of the draws, ≥ 0.
        chunk_size: most candidates at a time, which bounds the memory.
        enabled: false switches it off.

    Raises:
        ConfigurationError: for a value outside these ranges.

    Example:
        >>> ResampleCollocation(every_n_steps=500, method="rad", until_step=8000)
        ResampleCollocation(every_n_steps=500, method='rad', until_step=8000, seed=0)
    """

    checkpoint_key = "laaf_lightning.ResampleCollocation"

    def __init__(
        self,
        every_n_steps: int = 1000,
        method: ResamplingMethod = "uniform",
        num_candidates: int | None = None,
        power: float = 1.0,
        offset: float = 1.0,
        num_added: int = 10,
        max_points: int | None = None,
        from_step: int = 0,
        until_step: int | None = None,
        seed: int = 0,
        chunk_size: int = 10_000,
        enabled: bool = True,
    ) -> None:
        if method not in get_args(ResamplingMethod):
            raise ConfigurationError(unknown_choice("method", method, get_args(ResamplingMethod)))
        counts = {"every_n_steps": every_n_steps, "num_candidates": num_candidates, "num_added": num_added}
        counts |= {"max_points": max_points, "chunk_size": chunk_size}
        least_zero = [("seed", seed, 0), ("from_step", from_step, 0)]
        for name, value, least in [*((name, value, 1) for name, value in counts.items()), *least_zero]:
            if value is not None and value < least:
                raise ConfigurationError(f"{name}={value} of ResampleCollocation must be >= {least}")
        if until_step is not None and from_step > until_step:
            raise ConfigurationError(
                f"from_step={from_step} of ResampleCollocation must be <= until_step={until_step}, or points never "
                "change; set enabled to false for that"
            )
        if not (math.isfinite(power) and power > 0 and math.isfinite(offset) and offset >= 0):
            raise ConfigurationError(f"power={power} must be finite and > 0, offset={offset} finite and >= 0")
        self.every_n_steps, self.method, self.num_candidates = every_n_steps, method, num_candidates
        self.power, self.offset, self.num_added, self.max_points = power, offset, num_added, max_points
        self.from_step, self.until_step, self.seed = from_step, until_step, seed
        self.chunk_size, self.enabled = chunk_size, enabled
        self._last_step: int | None = None  # up to which redraws are done; None before training
        self._restored: dict[str, Any] | None = None

    def __repr__(self) -> str:
        shown = ("every_n_steps", "method", "until_step", "seed")
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget an earlier fit; a checkpoint is loaded after this."""
        self._last_step = self._restored = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot work; put a checkpoint's points back.

        Raises:
            ConfigurationError: without a DataModule whose points can be set, without ``residual(points)`` where the
                method needs it, or for numbers of points that do not go together.
        """
        if not self.enabled:
            return
        points = len(residual_data(trainer).residual_points())
        self._restore(trainer)
        if self.method == "uniform":
            return
        if not callable(getattr(pl_module, "residual", None)):
            raise ConfigurationError(
                f"ResampleCollocation with method={self.method!r} needs a method residual(points) of "
                f"{type(pl_module).__name__}: write it, or take method 'uniform'"
            )
        self._refuse_numbers(points, trainer.world_size)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count steps from here; make up for a redraw that a checkpoint was saved just before."""
        if not self.enabled:
            return
        self._restore(trainer)  # again, since some strategies load late
        if self._last_step is None:
            self._last_step = trainer.global_step
        self._redraw_if_due(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw new points if this batch ended an optimiser step that is due."""
        if self.enabled:
            self._redraw_if_due(trainer, pl_module)

    def state_to_keep(self, trainer: Trainer) -> dict[str, Any] | None:
        """Keep the points, and the step up to which redraws are done.

        Args:
            trainer: has the DataModule.

        Returns:
            Both, once training has begun.
        """
        if not self.enabled or self._last_step is None:
            return None
        return {"points": residual_data(trainer).residual_points(), "step": self._last_step}

    def take_state(self, pl_module: LightningModule, state: dict[str, Any] | None) -> None:
        """Remember the points until the fit starts.

        Args:
            pl_module: not used.
            state: what was kept.
        """
        self._restored = state

    def _restore(self, trainer: Trainer) -> None:
        if self._restored is not None:
            restored, self._restored = self._restored, None
            residual_data(trainer).set_residual_points(restored["points"])
            self._last_step = restored["step"]

    def _redraw_if_due(self, trainer: Trainer, module: LightningModule) -> None:
        step, last = trainer.global_step, self._last_step or 0
        self._last_step = step
        if step // self.every_n_steps <= last // self.every_n_steps:
            return
        if step < self.from_step or (self.until_step is not None and step > self.until_step):
            return
        data = residual_data(trainer)
        drawn = trainer.strategy.broadcast(self._draw(trainer, module, data) if trainer.is_global_zero else None)
        assert drawn is not None  # rank zero's
        if drawn.refusal is not None:
            raise ConfigurationError(drawn.refusal)
        if drawn.points is not None:
            data.set_residual_points(drawn.points)
        metrics = {"collocation/points": float(len(data.residual_points())), **drawn.metrics}
        log_now(trainer, metrics, step - 1)  # the batch that has just ended, counted as the Trainer does

    def _draw(self, trainer: Trainer, module: LightningModule, data: ResidualData) -> _Drawn:
        """Choose the points of all ranks; an error is told to all of them, so that none waits for ever."""
        seeds, present = draw_seeds(self.seed, trainer.global_step), data.residual_points()
        if self.method == "uniform":
            return _Drawn(data.sample_residual_points(len(present), seeds.points), {})
        count = self.num_candidates or _CANDIDATES_PER_POINT * len(present)
        candidates = data.sample_residual_points(count, seeds.points)
        try:
            magnitudes = residual_magnitudes(trainer, module, candidates, self.chunk_size)
        except ConfigurationError as error:
            return _Drawn(None, {}, str(error))
        mean, largest = magnitudes.mean().item(), magnitudes.max().item()
        metrics = {"collocation/mean_residual": mean, "collocation/max_residual": largest}
        if self.method == "rad":
            weights = rad_weights(magnitudes, self.power, self.offset)
            return _Drawn(candidates[choose_by_weight(weights, len(present), seeds.choice)], metrics)
        added = self._number_to_add(len(present), trainer.world_size)
        if added == 0:
            return _Drawn(None, metrics)
        return _Drawn(torch.cat([present, candidates[largest_residuals(magnitudes, added)]]), metrics)

    def _number_to_add(self, present: int, world_size: int) -> int:
        """Return `num_added`, or what is left up to `max_points`, which every rank must be able to share."""
        left = self.num_added if self.max_points is None else min(self.num_added, self.max_points - present)
        return max(left, 0) // world_size * world_size

    def _refuse_numbers(self, points: int, world_size: int) -> None:
        """Refuse numbers of candidates and added points that do not fit the points that there are."""
        needed, what = (points, "residual points") if self.method == "rad" else (self.num_added, "points to add")
        if self.num_candidates is not None and self.num_candidates < needed:
            raise ConfigurationError(
                f"num_candidates={self.num_candidates} of ResampleCollocation must be at least the {needed} {what}"
            )
        if self.method != "rar":
            return
        if self.max_points is not None and self.max_points < points:
            raise ConfigurationError(
                f"max_points={self.max_points} of ResampleCollocation must be at least the {points} residual points "
                "of the start"
            )
        if self.num_added % world_size:
            raise ConfigurationError(
                f"num_added={self.num_added} points of ResampleCollocation do not split evenly over {world_size} ranks:"
                f" take a multiple of {world_size}"
            )
