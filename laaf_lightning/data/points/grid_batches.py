"""A problem's grid in batches, which are made when they are asked for: no grid is too large."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from torch import Tensor

from laaf_lightning.data.points.ranks import rank_share
from laaf_lightning.data.points.repeated_batch import RepeatedBatch
from laaf_lightning.lightning_packages import LightningDataModule
from laaf_lightning.problems import PDE, own_grid
from laaf_lightning.problems.geometry import AT_ONCE, axes_in_order, product_part

T = TypeVar("T")
_ONE_BATCH = 2**20  # points, up to which a grid is one batch


class GridBatches(Generic[T]):
    """Hands out the points inside of the grid that a problem's axes span, some at a time.

    Args:
        problem: the equation.
        finish: makes a batch of points (N, d), float64.
        rank: of this process, which takes every w-th point, beginning with the r-th.
        world_size: w.
        size: points of a batch before those outside, and those of other ranks, are left out.
    """

    def __init__(
        self, problem: PDE, finish: Callable[[Tensor], T], rank: int = 0, world_size: int = 1, size: int = AT_ONCE
    ) -> None:
        self._axes = [*axes_in_order(problem.axes(), problem.coordinates).values()]
        self._inside, self._finish = problem.geometry.on_grid, finish
        self._rank, self._world_size, self._size = rank, world_size, size
        self._count = math.prod(map(len, self._axes))

    def __len__(self) -> int:
        return math.ceil(self._count / self._size)

    def __iter__(self) -> Iterator[T]:
        before = 0
        for start in range(0, self._count, self._size):
            points = product_part(self._axes, start, min(start + self._size, self._count))
            inside = points[self._inside(points)]
            share = inside[(self._rank - before) % self._world_size :: self._world_size]
            before += len(inside)
            if len(share):
                yield self._finish(share)


def grid_batches(
    module: LightningDataModule, problem: PDE, finish: Callable[[Tensor], T]
) -> RepeatedBatch[T] | GridBatches[T]:
    """Hand out a problem's grid, or this rank's share of it.

    Args:
        module: a DataModule, whose Trainer knows rank and number of ranks.
        problem: the equation.
        finish: makes a batch of points (N, d), float64.

    Returns:
        A loader of one batch; of several where the axes span more than a million points.
    """
    points = own_grid(problem)
    lengths = map(len, axes_in_order(problem.axes(), problem.coordinates).values()) if points is None else ()
    if math.prod(lengths) > _ONE_BATCH:
        world, rank = getattr(module.trainer, "world_size", 1), getattr(module.trainer, "global_rank", 0)
        finish(problem.geometry.probes(2))  # which tells what is missing, before anything is done
        return GridBatches(problem, finish, rank, world)
    points = problem.grid() if points is None else points
    return RepeatedBatch(finish(rank_share(module, points, "grid", equal=False)), 1)
