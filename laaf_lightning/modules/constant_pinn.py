"""The smallest loss of a constant network on a PDE, J_c in Theorem 2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from laaf_lightning.data import CollocationBatch
from laaf_lightning.derivatives import ConstantField, ConstrainedField, Field, KnownFactors
from laaf_lightning.solutions.best_constant import smallest_value

if TYPE_CHECKING:
    from laaf_lightning.modules.pinn import PINN


def constant_network_loss(pinn: PINN, batch: CollocationBatch) -> Tensor | None:
    """Minimise a PINN's loss over the constant networks N ≡ c.

    Args:
        pinn: gives problem, weights and coefficients.
        batch: residual points, condition points and values.

    Returns:
        0-dim float64; None for several unknowns.
    """
    problem = pinn.problem
    if len(problem.unknowns) > 1:
        return None
    with torch.inference_mode(mode=False):
        # Tensors made in inference mode cannot take part in a backward pass: copies can.
        points, at, values = (part.double().clone() for part in batch[:3])
    known, known_at = pinn.known_factors(points), pinn.known_factors(at) if len(at) else None
    coefficients = {name: value.detach().double() for name, value in pinn.coefficients.items()}

    def field(constant: Tensor, points: Tensor, known: KnownFactors | None) -> Field:
        free = ConstantField(constant, points, problem.coordinates, problem.unknowns)
        return free if known is None else ConstrainedField(free, known)

    def loss(constant: Tensor) -> Tensor:
        residual = problem.residual(problem.columns(points), field(constant, points, known), **coefficients)
        objective = pinn.weight_residual * residual.square().sum() / len(points)
        if len(values):
            told = pinn.conditions.values(field(constant, at, known_at), batch.condition_counts)
            objective = objective + pinn.weight_data * (told - values).square().sum() / len(values)
        return objective

    ends = values if len(values) else points.new_tensor([-1.0, 1.0])
    return smallest_value(loss, ends.min(), ends.max())
