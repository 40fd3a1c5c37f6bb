"""The errors of several columns side by side, so that a small one does not hide behind a large one."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class ErrorsByColumn(Metric):
    r"""Relative L2 error :math:`\lVert u_k - \hat u_k \rVert_2 / \lVert u_k \rVert_2` of each column k over all points.

    Where u_k is zero everywhere, the error is absolute: the root mean square of û_k. Sums are kept in float64.

    Args:
        columns: C.

    Example:
        >>> metric = ErrorsByColumn(2)
        >>> metric.update(torch.tensor([[1.5, 3.0], [1.5, 4.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        >>> errors, is_relative = metric.compute()
        >>> [round(error, 3) for error in errors.tolist()], is_relative.tolist()
        ([0.5, 3.536], [True, False])
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    squared_error: Tensor
    squared_target: Tensor
    points: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        for name in ("squared_error", "squared_target"):
            self.add_state(name, torch.zeros(columns, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("points", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add points.

        Args:
            prediction: û, shape (N, C).
            target: u, the same shape.
        """
        self.squared_error = self.squared_error + (prediction.double() - target.double()).square().sum(dim=0)
        self.squared_target = self.squared_target + target.double().square().sum(dim=0)
        self.points = self.points + len(target)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return the errors over all points seen.

        Returns:
            The errors, shape (C,), float64, and which of them are relative, truth values, shape (C,).
        """
        is_relative = self.squared_target != 0
        errors = (self.squared_error / torch.where(is_relative, self.squared_target, self.points)).sqrt()
        return errors, is_relative
