"""The assumption of Theorem 2.1, J(Θ0) < J_c + W_a·S(0), in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor


@dataclass(frozen=True)
class TheoremAssumption:
    """J(Θ0) < J_c + W_a·S(0) for the best constant network (Jagtap et al. 2020, Theorem 2.1).

    Attributes:
        initial_objective: J(Θ0), the loss of the first training step with W_a·S(a) in it.
        constant_network_loss: J_c, the smallest loss of a constant network on the same batch.
        recovery_at_zero: W_a·S(0); infinite for the identity operator.
    """

    initial_objective: float
    constant_network_loss: float
    recovery_at_zero: float

    @property
    def holds(self) -> bool:
        """Whether the inequality holds."""
        return self.initial_objective < self.constant_network_loss + self.recovery_at_zero

    def metrics(self) -> dict[str, float]:
        """Give the numbers as a logger takes them.

        Returns:
            The three numbers and the verdict as 1 or 0, under ``theorem_2_1/``; an infinite S(0) is left out.
        """
        numbers = {
            "theorem_2_1/initial_objective": self.initial_objective,
            "theorem_2_1/constant_network_loss": self.constant_network_loss,
            "theorem_2_1/recovery_at_zero": self.recovery_at_zero,
            "theorem_2_1/holds": float(self.holds),
        }
        return {name: value for name, value in numbers.items() if math.isfinite(value)}

    def in_words(self) -> str:
        """Say what the numbers mean for a run, and whether there is something to do.

        Returns:
            A sentence without its full stop.
        """
        below = f"{self.constant_network_loss:.4g} + {self.recovery_at_zero:.4g}"
        if self.holds:
            return (
                f"the first loss, {self.initial_objective:.4g}, was below that of the best constant network plus "
                f"W_a·S(0), {below}, so that Theorem 2.1 rules out an end at a suboptimal constant; nothing to do"
            )
        return (
            f"Theorem 2.1 promises nothing for this run, since the first loss, {self.initial_objective:.4g}, was not "
            f"below that of the best constant network plus W_a·S(0), {below}; that is common, and nothing to act on "
            f"unless the loss stays near {self.constant_network_loss:.4g}"
        )

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "does not hold"
        infinite = "" if math.isfinite(self.recovery_at_zero) else " (S(0) is infinite for this operator)"
        return (
            f"assumption of Theorem 2.1 {verdict}: J(Θ0) = {self.initial_objective:.4g}, "
            f"J_c + W_a·S(0) = {self.constant_network_loss:.4g} + {self.recovery_at_zero:.4g}{infinite}"
        )


def measure_assumption(
    trainer: Trainer, module: LightningModule, batch: Any, objective: Tensor, recovery_at_zero: float
) -> TheoremAssumption | None:
    """Compare the first step's objective with the best constant network's on the same batch.

    On several ranks both are averages over the ranks' parts of the batch. The average of J_c is at most the J_c of
    the whole batch, so that a verdict "holds" is right for the whole batch too.

    Args:
        trainer: the Trainer, whose strategy averages over ranks.
        module: asked by ``constant_network_loss(batch) -> Tensor | float | None``, if it has that method.
        batch: the first training batch.
        objective: J(Θ0) on this rank, 0-dim.
        recovery_at_zero: W_a·S(0).

    Returns:
        The numbers; None where the module cannot tell J_c.
    """
    best_constant = getattr(module, "constant_network_loss", None)
    if not callable(best_constant):
        return None
    constant = best_constant(batch)
    # NaN stands for None, so that every rank takes part in the average.
    j_constant = math.nan if constant is None else float(constant)
    dtype = torch.promote_types(objective.dtype, torch.float32)
    numbers = torch.stack([objective.detach().mean().to(dtype), objective.new_tensor(j_constant, dtype=dtype)])
    initial, j_constant = trainer.strategy.reduce(numbers, reduce_op="mean").tolist()
    return None if math.isnan(j_constant) else TheoremAssumption(initial, j_constant, recovery_at_zero)
