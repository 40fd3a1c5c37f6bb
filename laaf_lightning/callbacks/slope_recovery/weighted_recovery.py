"""W_a·S(a) of one model, with the weight in a tensor."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from laaf_lightning.activations import Operator, Reduction, recovery_at_zero, recovery_of
from laaf_lightning.callbacks.slope_recovery.refusals import refuse_unusable


class WeightedRecovery:
    """W_a·S(a) of a model's slopes, added to losses.

    Nothing in it waits for the device except `checked_value`: the weight lives in a tensor, of the type of S(a), so
    that a graph that was captured once sees the weight of every step.

    Args:
        parameters: a by the layer's name, at least one.
        operator: of S(a).
        reduction: of S(a).

    Attributes:
        weight: the weight now, 0 until `set_weight`.
        keeps_next_objective: whether the next objective goes to `kept_objective`.
        kept_objective: a detached objective, 0-dim.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], operator: Operator, reduction: Reduction) -> None:
        self._parameters = dict(parameters)
        self._operator = operator
        self._reduction = reduction
        self.weight = 0.0
        self._weight = torch.zeros_like(self.value().detach())
        self.keeps_next_objective = False
        self.kept_objective: Tensor | None = None

    def set_weight(self, weight: float) -> None:
        """Set W_a.

        Args:
            weight: finite and ≥ 0.
        """
        if weight != self.weight:
            self.weight = weight
            self._weight.fill_(weight)

    def add_to(self, loss: Tensor) -> Tensor:
        """Return the objective loss + W_a·S(a).

        Args:
            loss: a training step's loss.

        Returns:
            The objective; the loss itself while the weight is zero.
        """
        objective = loss + (self._weight * self.value()).to(loss.device) if self.weight else loss
        if self.keeps_next_objective:
            self.keeps_next_objective = False
            self.kept_objective = objective.detach()
        return objective

    def value(self) -> Tensor:
        """Compute S(a).

        Returns:
            0-dim, float32 or float64, attached to the graph.
        """
        return recovery_of(list(self._parameters.values()), self._operator, self._reduction)

    def checked_value(self) -> float:
        """Compute S(a) and, while it has a weight, refuse what is not finite and positive.

        Returns:
            S(a).
        """
        with torch.no_grad():
            value = float(self.value())
        if self.weight:
            refuse_unusable(value, self._parameters, self._operator)
        return value

    def at_zero(self) -> float:
        """Compute S(0).

        Returns:
            S(0), infinite for the identity operator.
        """
        return float(recovery_at_zero(len(self._parameters), self._operator, self._reduction))
