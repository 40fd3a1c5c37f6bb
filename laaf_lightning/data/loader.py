"""Batches gathered from images in memory, in an order that can be made again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from laaf_lightning.data.formats import LabeledImages

Batch: TypeAlias = tuple[Tensor, Tensor]

# What a random stream is for; each has its own numbers under the same seed.
EPOCH_ORDER, VALIDATION_PART, TEST_PART = range(3)


def seeded_generator(seed: int, purpose: int, epoch: int = 0) -> torch.Generator:
    """Make a CPU generator whose numbers depend on all three arguments and on nothing else.

    Args:
        seed: the data set's seed, at least 0.
        purpose: what the numbers are for, so that two uses of one seed are independent.
        epoch: the epoch they are for, at least 0.

    Returns:
        The generator, seeded through ``numpy.random.SeedSequence``.

    Example:
        >>> one, again = (torch.rand(1, generator=seeded_generator(0, EPOCH_ORDER, 3)) for _ in range(2))
        >>> bool(one == again)
        True
    """
    state = np.random.SeedSequence((seed, purpose, epoch)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


class ImageLoader(Dataset[Batch]):
    """Batches of images in memory: one gather and one conversion a batch.

    With several ranks each takes every ``world_size``-th image of one common order, so that one step of all ranks
    together sees what a single process with ``world_size`` times the batch size would see. Ranks have equally many
    images: where the set does not divide, the order is continued from its start.

    Args:
        data: the images, N of them.
        batch_size: images of a batch on this rank; the last batch holds what is left.
        seed: of the shuffle; ``None`` keeps the order of ``data``.
        epoch: gives the epoch, asked when a pass over the batches starts; ``None`` means 0 until ``set_epoch``.
        rank: which part of the images this process takes.
        world_size: how many processes share the images.
        num_workers: processes that gather batches ahead; 0 gathers in the calling process. The batches are the same.

    Example:
        >>> data = LabeledImages(torch.full((5, 1, 2, 2), 255, dtype=torch.uint8), torch.arange(5), "an example")
        >>> loader = ImageLoader(data, batch_size=2)
        >>> [(tuple(images.shape), images.max().item(), labels.tolist()) for images, labels in loader]
        [((2, 1, 2, 2), 1.0, [0, 1]), ((2, 1, 2, 2), 1.0, [2, 3]), ((1, 1, 2, 2), 1.0, [4])]
    """

    def __init__(
        self,
        data: LabeledImages,
        batch_size: int,
        *,
        seed: int | None = None,
        epoch: Callable[[], int] | None = None,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int = 0,
    ) -> None:
        self.data = data
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.num_workers = num_workers
        self._current_epoch = epoch
        self._fixed_epoch = 0

    @property
    def epoch(self) -> int:
        """The epoch whose order the next pass takes."""
        return self._fixed_epoch if self._current_epoch is None else self._current_epoch()

    def set_epoch(self, epoch: int) -> None:
        """Fix the epoch, for loops without a Trainer and to make an epoch's batches again.

        Args:
            epoch: at least 0; holds until it is set again.
        """
        self._current_epoch = None
        self._fixed_epoch = epoch

    def order(self) -> Tensor:
        """Say which images this rank takes in the epoch.

        Returns:
            Indices into ``data``, int64, shape (⌈N / world_size⌉,).
        """
        count = len(self.data)
        if self.seed is None:
            common = torch.arange(count)
        else:
            common = torch.randperm(count, generator=seeded_generator(self.seed, EPOCH_ORDER, self.epoch))
        padded = math.ceil(count / self.world_size) * self.world_size
        return common[torch.arange(self.rank, padded, self.world_size) % count]

    def __getitem__(self, indices: Tensor) -> Batch:
        """Gather a batch.

        Args:
            indices: into ``data``, int64, shape (B,).

        Returns:
            Images, float32 in [0, 1], shape (B, C, H, W), and labels, int64, shape (B,).
        """
        images = self.data.images[indices].to(torch.float32).div_(255)
        return images, self.data.labels[indices]

    def __len__(self) -> int:
        return math.ceil(len(self.data) / (self.world_size * self.batch_size))

    def __iter__(self) -> Iterator[Batch]:
        # A generator: the epoch is read at the first batch, since Lightning makes the iterator before it resumes.
        batches = self.order().split(self.batch_size)
        if self.num_workers:
            yield from DataLoader(self, sampler=batches, batch_size=None, num_workers=self.num_workers)
        else:
            yield from map(self.__getitem__, batches)
