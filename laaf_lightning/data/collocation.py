"""Points for PINNs: collocation points inside the domain, and points on its conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from laaf_lightning.data.full_batch import RepeatedBatch, data_dtype, rank_share
from laaf_lightning.data.namespaces import LightningDataModule
from laaf_lightning.data.sampling import Sampler, sample_unit_cube
from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.problems import PDE, Burgers


class CollocationBatch(NamedTuple):
    """What a PINN trains on.

    Attributes:
        residual_points: interior points, (N_f, d).
        condition_points: initial and boundary points, (N_u, d).
        condition_values: the prescribed u there, (N_u, 1).
    """

    residual_points: Tensor
    condition_points: Tensor
    condition_values: Tensor


class CollocationDataModule(LightningDataModule):
    """Full batch of collocation points of a problem, all drawn once with the seed.

    Validation and test compare with the problem's exact solution on its grid; prediction returns the grid.

    Args:
        problem: the equation; the command line takes it from the model.
        num_residual: points inside the domain, ≥ 1.
        num_condition: points on each condition: one number for all, or a mapping that names every condition, where 0
            leaves one out.
        sampler: ``"uniform"``, ``"latin_hypercube"`` or ``"sobol"``.
        seed: of all points, ≥ 0.
        steps_per_epoch: how often an epoch repeats the batch, ≥ 1.

    Raises:
        ConfigurationError: for an unknown sampler, counts or a seed outside these ranges, and conditions that are
            missing, unknown, or without a single point.

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
    ) -> None:
        super().__init__()
        if sampler not in get_args(Sampler):
            raise ConfigurationError(unknown_choice("sampler", sampler, get_args(Sampler)))
        self.problem, self.sampler = problem, sampler
        self.num_residual, self.seed, self.steps_per_epoch = num_residual, seed, steps_per_epoch
        self.num_condition = _condition_counts(problem, num_condition)
        for name, value, least in (("num_residual", num_residual, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigurationError(f"{name}={value} must be >= {least}")
        RepeatedBatch(None, steps_per_epoch)

    def residual_points(self) -> Tensor:
        """Draw the points inside the domain.

        Returns:
            Shape (num_residual, d), float64.
        """
        lower, upper = self._box()
        unit = sample_unit_cube(self.sampler, self.num_residual, len(lower), self.seed)
        return lower + (upper - lower) * unit

    def condition_points(self) -> tuple[Tensor, Tensor]:
        """Draw the points on the conditions.

        Returns:
            Points (N_u, d) and the prescribed values (N_u, 1), float64, condition by condition.

        Raises:
            ConfigurationError: if a condition's values are not of shape (N, 1).
        """
        lower, upper = self._box()
        points, values = [], []
        for index, (name, count) in enumerate(self.num_condition.items()):
            if count == 0:
                continue
            condition = self.problem.condition(name)
            unit = sample_unit_cube(self.sampler, count, len(lower), self.seed + 1000 * (index + 1))
            face = lower + (upper - lower) * unit
            coordinate, position = condition.at
            face[:, self.problem.coordinates.index(coordinate)] = position
            value = condition.value(face)
            if value.shape != (count, 1):
                raise ConfigurationError(
                    f"the condition {name!r} gives values of shape {tuple(value.shape)} at {count} points: its value "
                    f"must return ({count}, 1)"
                )
            points.append(face)
            values.append(value)
        return torch.cat(points), torch.cat(values)

    def train_dataloader(self) -> RepeatedBatch[CollocationBatch]:
        """Return all points, repeated.

        Returns:
            A loader of `steps_per_epoch` batches, each this rank's share of the points.
        """
        points, values = self.condition_points()
        batch = CollocationBatch(
            rank_share(self, self.residual_points(), "num_residual"),
            rank_share(self, points, "num_condition, all together,"),
            rank_share(self, values, "num_condition, all together,"),
        )
        return RepeatedBatch(CollocationBatch(*(part.to(data_dtype(self)) for part in batch)), self.steps_per_epoch)

    def val_dataloader(self) -> RepeatedBatch[tuple[Tensor, Tensor]]:
        """Return the grid with the exact solution.

        Returns:
            A loader of one batch (points, u).

        Raises:
            ConfigurationError: if the problem has no exact solution.
        """
        grid = rank_share(self, self.problem.grid(), "grid", equal=False)
        exact = self.problem.exact(grid)
        if exact is None:
            raise ConfigurationError(
                f"{type(self.problem).__name__} has no exact solution to compare with: give it exact(points), or fit "
                "without validation (--trainer.limit_val_batches 0)"
            )
        return RepeatedBatch((grid.to(data_dtype(self)), exact.to(data_dtype(self))), 1)

    def test_dataloader(self) -> RepeatedBatch[tuple[Tensor, Tensor]]:
        """Return the grid with the exact solution.

        Returns:
            A loader of one batch (points, u).
        """
        return self.val_dataloader()

    def predict_dataloader(self) -> RepeatedBatch[Tensor]:
        """Return the grid.

        Returns:
            A loader of one batch of points.
        """
        grid = rank_share(self, self.problem.grid(), "grid", equal=False)
        return RepeatedBatch(grid.to(data_dtype(self)), 1)

    def _box(self) -> tuple[Tensor, Tensor]:
        bounds = torch.tensor([self.problem.domain[name] for name in self.problem.coordinates], dtype=torch.float64)
        return bounds[:, 0], bounds[:, 1]


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
    ) -> None:
        left = num_boundary // 2
        counts = {"initial": num_initial, "left": left, "right": num_boundary - left}
        super().__init__(Burgers(viscosity), num_residual, counts, sampler, seed, steps_per_epoch)


def _condition_counts(problem: PDE, counts: int | Mapping[str, int]) -> dict[str, int]:
    """Give each condition its number of points, in the problem's order, on which its random numbers depend."""
    names = [condition.name for condition in problem.conditions()]
    _check_conditions(problem, names)
    if isinstance(counts, int):
        counts = dict.fromkeys(names, counts)
    for name, count in counts.items():
        if count < 0:
            raise ConfigurationError(f"{name}={count} points on the condition {name!r}: must be >= 0")
        problem.condition(name)  # refuses an unknown one
    if missing := [name for name in names if name not in counts]:
        raise ConfigurationError(
            f"num_condition={dict(counts)} lacks {', '.join(missing)}: name all of {', '.join(names)}; 0 leaves one out"
        )
    if not any(counts.values()):
        raise ConfigurationError(f"num_condition={dict(counts)} has no point: at least one condition needs some")
    return {name: counts[name] for name in names}


def _check_conditions(problem: PDE, names: list[str]) -> None:
    """Refuse conditions that could not be sampled, or would be overlooked."""
    kind = type(problem).__name__
    if len(set(names)) < max(len(names), 1):
        raise ConfigurationError(f"{kind} has the conditions [{', '.join(names)}]: at least one, each of another name")
    for condition in problem.conditions():
        if condition.at[0] not in problem.coordinates:
            what = f"coordinate of the condition {condition.name!r} of {kind}"
            raise ConfigurationError(unknown_choice(what, condition.at[0], problem.coordinates))
