"""Slopes that stay where they start for some steps."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from laaf_lightning.activations import adaptive_sites
from laaf_lightning.errors import ConfigurationError


class FreezeSlopes(Callback):
    """Train the weights alone for the first steps of a run: the slopes get no gradient.

    Works on any LightningModule with automatic optimisation. The slopes stay in the optimiser, which leaves parameters
    without a gradient alone; the step comes from the Trainer, so that a resumed run goes on where it stopped.

    Args:
        steps: number of optimiser steps without the slopes, >= 0; 0 freezes nothing.

    Raises:
        ConfigurationError: for a negative number, or a module with manual optimisation.

    Example:
        ``laaf fit --config burgers_paper.yaml --freeze_slopes.steps 500``
    """

    def __init__(self, steps: int = 0) -> None:
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
            raise ConfigurationError(f"steps={steps!r} of FreezeSlopes must be a whole number >= 0")
        self.steps = steps

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a module whose gradients are not Lightning's.

        Raises:
            ConfigurationError: for manual optimisation.
        """
        if self.steps and not pl_module.automatic_optimization:
            raise ConfigurationError(
                f"FreezeSlopes(steps={self.steps}) does nothing for {type(pl_module).__name__}, which optimises by "
                "hand: leave its slopes out there, or take FreezeSlopes away (--freeze_slopes.steps 0)"
            )

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer, *_: Any
    ) -> None:
        """Take the slopes' gradients away."""
        if trainer.global_step >= self.steps:
            return
        for _name, site in adaptive_sites(pl_module):
            if site.a is not None:
                site.a.grad = None
