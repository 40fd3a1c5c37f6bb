"""Samples of the paper's discontinuous function."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from laaf_lightning.data.points.ranks import data_dtype, rank_share
from laaf_lightning.data.points.repeated_batch import RepeatedBatch
from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.lightning_packages import LightningDataModule
from laaf_lightning.problems import DOMAIN, discontinuous_function

Batch = tuple[Tensor, Tensor]


class DiscontinuousFunctionDataModule(LightningDataModule):
    """Full batch of samples of the discontinuous function (Jagtap et al. 2020, eq. 4, section 3).

    A batch is (x, u), both of shape (num_points, 1); validation, test and prediction use `num_test_points`
    equispaced points from −3 to 3.

    Args:
        num_points: training points, ≥ 1; the paper has 300, its authors' code 301.
        points: ``"random"`` (uniform in [−3, 3], drawn once) or ``"equispaced"`` (the authors' code).
        num_test_points: points of the evaluation grid, ≥ 2.
        seed: of the random points.
        steps_per_epoch: how often an epoch repeats the batch, ≥ 1.

    Raises:
        ConfigurationError: for values outside these ranges.
    """

    in_features = 1
    out_features = 1

    def __init__(
        self,
        num_points: int = 300,
        points: Literal["random", "equispaced"] = "random",
        num_test_points: int = 1000,
        seed: int = 0,
        steps_per_epoch: int = 100,
    ) -> None:
        super().__init__()
        if points not in {"random", "equispaced"}:
            raise ConfigurationError(unknown_choice("points", points, ("random", "equispaced")))
        for name, value, least in (("num_points", num_points, 1), ("num_test_points", num_test_points, 2)):
            if value < least:
                raise ConfigurationError(f"{name}={value} must be >= {least}")
        self.save_hyperparameters()
        self.num_points, self.points, self.num_test_points = num_points, points, num_test_points
        self.seed, self.steps_per_epoch = seed, steps_per_epoch
        RepeatedBatch(None, steps_per_epoch)

    def training_points(self) -> Batch:
        """Draw the training set.

        Returns:
            x and u(x), each (num_points, 1), float64.
        """
        lower, upper = DOMAIN
        if self.points == "equispaced":
            x = _equispaced(self.num_points)
        else:
            generator = torch.Generator().manual_seed(self.seed)
            x = lower + (upper - lower) * torch.rand(self.num_points, dtype=torch.float64, generator=generator)
        return x.unsqueeze(1), discontinuous_function(x).unsqueeze(1)

    def train_dataloader(self) -> RepeatedBatch[Batch]:
        """Return the training batch, repeated.

        Returns:
            A loader of `steps_per_epoch` batches, each this rank's share of the points.
        """
        x, u = (rank_share(self, part, "num_points").to(data_dtype(self)) for part in self.training_points())
        return RepeatedBatch((x, u), self.steps_per_epoch)

    def val_dataloader(self) -> RepeatedBatch[Batch]:
        """Return the evaluation grid.

        Returns:
            A loader of one batch.
        """
        x = _equispaced(self.num_test_points).unsqueeze(1)
        share = rank_share(self, x, "num_test_points", equal=False)
        return RepeatedBatch((share.to(data_dtype(self)), discontinuous_function(share).to(data_dtype(self))), 1)

    def test_dataloader(self) -> RepeatedBatch[Batch]:
        """Return the evaluation grid.

        Returns:
            A loader of one batch.
        """
        return self.val_dataloader()

    def predict_dataloader(self) -> RepeatedBatch[Batch]:
        """Return the evaluation grid.

        Returns:
            A loader of one batch.
        """
        return self.val_dataloader()


def _equispaced(count: int) -> Tensor:
    """Divide the domain; the middle is exactly 0, where ``torch.linspace`` may land on the other side of the jump."""
    lower, upper = DOMAIN
    return lower + (upper - lower) * torch.arange(count, dtype=torch.float64) / max(count - 1, 1)
