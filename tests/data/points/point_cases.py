"""What two ranks do with collocation points; called in both processes."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from laaf_lightning.data import BurgersDataModule, CollocationBatch
from laaf_lightning.errors import ConfigurationError
from tests.ranks import two_rank_trainer


class LinearFit(LightningModule):
    """Fit values on the conditions and zero inside by a plane, which gradient descent does the same on any ranks."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1).double()
        nn.init.ones_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.seen: list[Tensor] = []
        self.counts: dict[str, int] = {}
        self.grid_points = 0

    def training_step(self, batch: CollocationBatch) -> Tensor:
        self.seen, self.counts = list(batch[:3]), dict(batch.condition_counts)
        inside: Tensor = self.linear(batch.residual_points).square().mean()
        return inside + nn.functional.mse_loss(self.linear(batch.condition_points), batch.condition_values)

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.grid_points = len(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def points() -> BurgersDataModule:
    """Make few points, which two ranks can share."""
    return BurgersDataModule(num_residual=10, num_initial=6, num_boundary=8, seed=3, steps_per_epoch=5)


def fitted(trainer: Any) -> dict[str, Any]:
    """Fit and report what the rank saw and what came out."""
    model = LinearFit()
    trainer.fit(model, datamodule=points())
    parameters = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    return {
        "seen": model.seen,
        "counts": model.counts,
        "grid_points": model.grid_points,
        "parameters": parameters,
    }


def two_ranks_fit() -> dict[str, Any]:
    """Fit on both ranks."""
    return fitted(two_rank_trainer(max_epochs=2, precision="64-true", num_sanity_val_steps=0))


def uneven_points() -> str:
    """Report the error for points that two ranks cannot share."""
    data = BurgersDataModule(num_residual=11, steps_per_epoch=1)
    try:
        two_rank_trainer(max_epochs=1, num_sanity_val_steps=0).fit(LinearFit(), datamodule=data)
    except ConfigurationError as error:
        return str(error)
    return "trained"
