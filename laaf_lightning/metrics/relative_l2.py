"""The relative L2 error."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from laaf_lightning.errors import ConfigurationError


class RelativeL2Error(Metric):
    r"""Relative L2 error :math:`\lVert u - \hat u \rVert_2 / \lVert u \rVert_2` over all points seen.

    The sums of squares are kept in float64, so the value is that of one batch whatever the minibatches and ranks.

    Example:
        >>> metric = RelativeL2Error()
        >>> metric.update(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
        >>> round(metric.compute().item(), 6)
        0.707107
    """

    is_differentiable = True
    higher_is_better = False
    full_state_update = False

    squared_error: Tensor
    squared_target: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("squared_error", "squared_target"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add points.

        Args:
            prediction: û, any shape.
            target: u, the same shape.

        Raises:
            ConfigurationError: if the shapes differ.
        """
        if prediction.shape != target.shape:
            raise ConfigurationError(
                f"prediction of shape {tuple(prediction.shape)} and target of shape {tuple(target.shape)} must agree"
            )
        self.squared_error = self.squared_error + (prediction.double() - target.double()).square().sum()
        self.squared_target = self.squared_target + target.double().square().sum()

    def compute(self) -> Tensor:
        """Return the error over all points seen.

        Returns:
            0-dim float64; NaN or infinite where the target is zero everywhere.
        """
        return (self.squared_error / self.squared_target).sqrt()
