"""Points for PINNs: collocation points inside the domain, and points on its conditions."""

from __future__ import annotations

import math
from typing import Any, SupportsIndex, get_args

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from laaf_lightning.data.points.batch_transfer import LastMoved
from laaf_lightning.data.points.condition_points import (
    ConditionPoints,
    condition_counts,
    draw_condition_points,
    paired_partners,
)
from laaf_lightning.data.points.grid_batches import GridBatches, grid_batches
from laaf_lightning.data.points.point_batches import PointBatches
from laaf_lightning.data.points.ranks import data_dtype, rank_share
from laaf_lightning.data.points.repeated_batch import RepeatedBatch
from laaf_lightning.data.points.sampling import Sampler, sample_box
from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.given_numbers import Numbers, as_tensor
from laaf_lightning.lightning_packages import LightningDataModule
from laaf_lightning.problems import (
    PDE,
    Burgers,
    CollocationBatch,
    check_points,
    check_problem,
    conflicts,
    exact_solution,
)


class CollocationDataModule(LightningDataModule):
    """Collocation points of a problem, all drawn once with the seed; a step gets all of them, or a minibatch.

    Validation and test compare with the problem's exact solution on its grid; prediction returns the grid.

    Args:
        problem: the equation; the command line takes it from the model.
        num_residual: points inside the domain, ≥ 1.
        num_condition: points on each condition: one number for all, or a mapping that names every condition, where 0
            leaves one out. Measured data are all taken.
        sampler: ``"uniform"``, ``"latin_hypercube"`` or ``"sobol"``.
        seed: of all points, ≥ 0.
        steps_per_epoch: optimiser steps in an epoch, ≥ 1.
        batch_size: residual points of a step, on each process; None for all. Conditions are always complete.

    Raises:
        ConfigurationError: for a problem that contradicts itself, an unknown sampler, counts or a seed outside these
            ranges, and conditions that are missing, unknown, or without a single point.

    Example:
        >>> data = CollocationDataModule(Burgers(), 50, {"initial": 8, "left": 4, "right": 4})
        >>> (batch, *_) = data.train_dataloader()
        >>> batch.residual_points.shape, batch.condition_points.shape
        (torch.Size([50, 2]), torch.Size([16, 2]))
    """

    def __init__(
        self,
        problem: PDE,
        num_residual: int = 10_000,
        num_condition: int | dict[str, int] = 200,
        sampler: Sampler = "uniform",
        seed: int = 0,
        steps_per_epoch: int = 100,
        batch_size: int | None = None,
    ) -> None:
        super().__init__()
        check_problem(problem)
        for conflict in conflicts(problem):
            rank_zero_warn(conflict)
        if sampler not in get_args(Sampler):
            raise ConfigurationError(unknown_choice("sampler", sampler, get_args(Sampler)))
        self.problem, self.sampler = problem, sampler
        self.num_residual, self.seed, self.steps_per_epoch = num_residual, seed, steps_per_epoch
        self.batch_size = batch_size
        self.num_condition = condition_counts(problem, num_condition)
        counts = {"num_residual": (num_residual, 1), "seed": (seed, 0), "steps_per_epoch": (steps_per_epoch, 1)}
        for name, (value, least) in (counts | ({} if batch_size is None else {"batch_size": (batch_size, 1)})).items():
            if not isinstance(value, SupportsIndex):
                raise ConfigurationError(f"{name}={value!r} must be a whole number >= {least}")
            if value < least:
                raise ConfigurationError(f"{name}={value} must be >= {least}")
        self._residual_points: Tensor | None = None
        self._batches: PointBatches | None = None
        self._last_moved = LastMoved()

    def sample_residual_points(self, count: int, seed: int) -> Tensor:
        """Draw points inside the domain.

        Args:
            count: how many.
            seed: the same seed gives the same points.

        Returns:
            Shape (count, d), float64.
        """
        return sample_box(self.problem, self.sampler, count, seed)

    def residual_points(self) -> Tensor:
        """Return the points inside the domain that training uses now.

        Returns:
            Shape (num_residual, d), float64, those of all processes.
        """
        if self._residual_points is None:
            return self.sample_residual_points(self.num_residual, self.seed)
        return self._residual_points

    def set_residual_points(self, points: Numbers) -> None:
        """Train on other points inside the domain, from the next step on.

        Args:
            points: shape (N, d), the same on all processes, each of which takes its share.

        Raises:
            ConfigurationError: if they lie outside the domain, do not split evenly over the processes, or are fewer
                than a minibatch.
        """
        points = as_tensor(points, "points")
        check_points(self.problem, points, "set_residual_points")
        points = points.detach().double().cpu().clone()
        if self._batches is not None:
            share = rank_share(self, points, "residual points")
            self._batches.replace(self._batches.batch._replace(residual_points=share.to(data_dtype(self))))
        self._residual_points = points

    def condition_points(self) -> tuple[Tensor, Tensor]:
        """Draw the points on the conditions.

        Returns:
            Points (N_u, d) and the prescribed values (N_u, 1), float64, condition by condition.
        """
        drawn = draw_condition_points(self.problem, self.num_condition, self.sampler, self.seed)
        return drawn.points, drawn.values

    def train_dataloader(self) -> PointBatches:
        """Return all points, or minibatches of them.

        Returns:
            A loader of `steps_per_epoch` batches of this process's share of the points.
        """
        drawn = draw_condition_points(self.problem, self.num_condition, self.sampler, self.seed)
        what = "num_condition (all together)"
        share = ConditionPoints._make(None if part is None else rank_share(self, part, what) for part in drawn)
        sizes = torch.bincount(share.owners, minlength=len(self.num_condition)).tolist()
        counts = dict(zip(self.num_condition, sizes, strict=True))
        partners = paired_partners(self.problem, share.partners, counts)
        dtype = data_dtype(self)
        batch = CollocationBatch(
            rank_share(self, self.residual_points(), "num_residual").to(dtype),
            torch.cat([share.points, partners]).to(dtype),
            share.values.to(dtype),
            {name: count for name, count in counts.items() if count},
            None if share.normals is None else share.normals.to(dtype),
        )
        self._batches = PointBatches(batch, self.steps_per_epoch, self.batch_size, self.seed)
        return self._batches

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch, once for all steps that use it again.

        Args:
            batch: what a loader yields.
            device: where to.
            dataloader_idx: which loader.

        Returns:
            The batch there.
        """
        move = super().transfer_batch_to_device
        return self._last_moved(batch, lambda: move(batch, device, dataloader_idx))

    def val_dataloader(self) -> RepeatedBatch[tuple[Tensor, Tensor]] | GridBatches[tuple[Tensor, Tensor]]:
        """Return the grid with the exact solution.

        Returns:
            A loader of one batch (points, u); of several where the grid has more than a million points.

        Raises:
            ConfigurationError: if the problem has no exact solution.
        """
        return grid_batches(self, self.problem, self._with_exact)

    def test_dataloader(self) -> RepeatedBatch[tuple[Tensor, Tensor]] | GridBatches[tuple[Tensor, Tensor]]:
        """Return the grid with the exact solution.

        Returns:
            A loader as for validation.
        """
        return self.val_dataloader()

    def predict_dataloader(self) -> RepeatedBatch[Tensor] | GridBatches[Tensor]:
        """Return the grid.

        Returns:
            A loader of one batch of points; of several where the grid has more than a million.
        """
        return grid_batches(self, self.problem, lambda points: points.to(data_dtype(self)))

    def _with_exact(self, points: Tensor) -> tuple[Tensor, Tensor]:
        exact = exact_solution(self.problem, points)
        if exact is None:
            raise ConfigurationError(
                f"{type(self.problem).__name__} has no exact solution to compare with: give it exact(points), or fit "
                "without validation (--trainer.limit_val_batches 0)"
            )
        return points.to(data_dtype(self)), exact.to(data_dtype(self))


class BurgersDataModule(CollocationDataModule):
    """Points of the Burgers problem as in the paper's appendix B.

    400 initial and boundary points: x uniform in [−1, 1] at t = 0, and t uniform on each side x = ±1.

    Args:
        viscosity: ν of the equation.
        num_residual: points inside the domain.
        num_initial: points at t = 0.
        num_boundary: points on the two sides together; half on each.
        sampler: as for `CollocationDataModule`.
        seed: of all points.
        steps_per_epoch: as for `CollocationDataModule`.
        batch_size: as for `CollocationDataModule`.
    """

    def __init__(
        self,
        viscosity: float = 0.01 / math.pi,
        num_residual: int = 10_000,
        num_initial: int = 200,
        num_boundary: int = 200,
        sampler: Sampler = "uniform",
        seed: int = 0,
        steps_per_epoch: int = 100,
        batch_size: int | None = None,
    ) -> None:
        left = num_boundary // 2
        counts = {"initial": num_initial, "left": left, "right": num_boundary - left}
        super().__init__(Burgers(viscosity), num_residual, counts, sampler, seed, steps_per_epoch, batch_size)
