"""Which items of a data set a process has predicted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch import Tensor
from torch.utils.data import DistributedSampler, IterableDataset

from laaf_lightning.data.images.loader import ImageLoader
from laaf_lightning.data.points.grid_batches import GridBatches
from laaf_lightning.data.points.repeated_batch import RepeatedBatch


def positions(trainer: Trainer, loader: Any, rows: int) -> Tensor | None:
    """Say where in its data set each row stands: ranks take turns, in the set's order.

    Args:
        trainer: knows rank and number of ranks.
        loader: what the rows come from.
        rows: how many this rank has.

    Returns:
        int64, (rows,); those beyond the end of the set are repetitions from its start, by which ranks get equally many.
        None where the order is not known.
    """
    if isinstance(getattr(loader, "dataset", None), IterableDataset):
        return None
    samplers = (getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None))
    shared = isinstance(loader, (ImageLoader, RepeatedBatch, GridBatches, TakesTurns)) or any(
        isinstance(sampler, DistributedSampler) for sampler in samplers
    )
    if not shared and trainer.world_size > 1:
        return None
    return trainer.global_rank + trainer.world_size * torch.arange(rows)


def length(loader: Any) -> int | None:
    """Return how many items there are, where ranks may get some of them twice.

    Args:
        loader: any.

    Returns:
        The number for an `ImageLoader`; None for others.
    """
    return len(loader.data) if isinstance(loader, ImageLoader) else None


class TakesTurns:
    """Chunks of points, of which rank r of w takes every w-th, beginning with the r-th.

    Args:
        points: shape (N, d), float64.
        trainer: knows rank, number of ranks and precision, once it runs.
        size: points of a chunk.
    """

    def __init__(self, points: Tensor, trainer: Trainer, size: int = 16_384) -> None:
        self._points, self._trainer, self._size = points, trainer, size

    @property
    def share(self) -> Tensor:
        """This rank's points, float64."""
        return self._points[self._trainer.global_rank :: self._trainer.world_size]

    def __len__(self) -> int:
        return math.ceil(len(self.share) / self._size)

    def __iter__(self) -> Iterator[Tensor]:
        dtype = torch.float64 if str(self._trainer.precision).startswith("64") else torch.float32
        yield from self.share.to(dtype).split(self._size)
