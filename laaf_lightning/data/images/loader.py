"""Batches gathered from images in memory, in an order and with draws that can be made again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from laaf_lightning.data.images.augmentation import Augmentation, AugmentedImages, Draws
from laaf_lightning.data.images.formats import LabeledImages

Batch: TypeAlias = tuple[Tensor, Tensor]

# What a random stream is for; each has its own numbers under the same seed.
EPOCH_ORDER, VALIDATION_PART, TEST_PART, AUGMENTATION, SUBSET, SECOND_PASS = range(6)


class Normalization(NamedTuple):
    """Mean and standard deviation of each channel, of pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


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


class ImageLoader:
    """Batches of images in memory: a gather and a conversion a batch, on the device that holds the images.

    With several ranks each takes every ``world_size``-th image of one common order, so that one step of all ranks
    together sees what a single process with ``world_size`` times the batch size would see. Ranks have equally many
    images: where the set does not divide, the order is continued from its start. The order and the draws of the
    augmentation depend on seed and epoch alone, and a draw belongs to its image: they are the same on any device and
    any number of ranks.

    Args:
        data: the images, N of them, on any device.
        batch_size: images of a batch on this rank; the last batch holds what is left.
        seed: of shuffle and augmentation; ``None`` keeps the order of ``data``.
        epoch: gives the epoch, asked when a pass over the batches starts; ``None`` means 0 until ``set_epoch``.
        rank: which part of the images this process takes.
        world_size: how many processes share the images.
        num_workers: processes that gather batches ahead, for images on the CPU; 0 gathers in the calling process. The
            batches are the same.
        augmentation: what happens to the images; None for nothing.
        normalization: subtracted and divided by, after the augmentation; None for pixels in [0, 1].

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
        augmentation: Augmentation | None = None,
        normalization: Normalization | None = None,
    ) -> None:
        self.augmentation = augmentation
        self.augmented = None if augmentation is None else AugmentedImages(data.images, augmentation)
        self.data = data if self.augmented is None else replace(data, images=self.augmented.images)
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.num_workers = num_workers
        self.shift_and_scale = _shift_and_scale(normalization, data.images.device)
        self._current_epoch = epoch
        self._fixed_epoch = 0

    @property
    def epoch(self) -> int:
        """The epoch whose order and draws the next pass takes."""
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
            Indices into ``data``, int64, shape (⌈N / world_size⌉,), on the CPU.
        """
        count = len(self.data)
        if self.seed is None:
            common = torch.arange(count)
        else:
            common = torch.randperm(count, generator=seeded_generator(self.seed, EPOCH_ORDER, self.epoch))
        padded = math.ceil(count / self.world_size) * self.world_size
        return common[torch.arange(self.rank, padded, self.world_size) % count]

    def draws(self, purpose: int = AUGMENTATION) -> Draws | None:
        """Draw the epoch's augmentation of all N images.

        Args:
            purpose: which stream of random numbers; training's by default.

        Returns:
            The draws, on the CPU, image by image in the order of ``data``; None without augmentation.
        """
        if self.augmentation is None:
            return None
        return self.augmentation.draw(len(self.data), seeded_generator(self.seed or 0, purpose, self.epoch))

    def batch(self, number: int) -> Batch:
        """Make one batch of the epoch again.

        Args:
            number: from 0 to below ``len(loader)``.

        Returns:
            Images, float32 in [0, 1] unless normalised, shape (B, C, H, W), and labels, int64, shape (B,).
        """
        return _Pass(self, self.draws())[self.order().split(self.batch_size)[number].to(self.data.images.device)]

    def __len__(self) -> int:
        return math.ceil(len(self.data) / (self.world_size * self.batch_size))

    def __iter__(self) -> Iterator[Batch]:
        # A generator: the epoch is read at the first batch, since Lightning makes the iterator before it resumes.
        yield from self._pass(self.draws())

    def second_pass(self) -> Iterator[Batch]:
        """Go through the epoch's images once more, with other draws than in training.

        Yields:
            Batches as ``iter(loader)`` does.
        """
        yield from self._pass(self.draws(SECOND_PASS))

    def _pass(self, draws: Draws | None) -> Iterator[Batch]:
        batches = _Pass(self, draws)
        if not self.num_workers:
            order = self.order().to(self.data.images.device, non_blocking=True)
            return map(batches.__getitem__, order.split(self.batch_size))
        parts = self.order().split(self.batch_size)
        pinned = torch.cuda.is_available()
        loader = DataLoader(batches, sampler=parts, batch_size=None, num_workers=self.num_workers, pin_memory=pinned)
        return iter(loader)


class _Pass(Dataset[Batch]):
    """One pass over a loader's images, with the draws of its epoch: gives a batch for the indices of its images."""

    def __init__(self, loader: ImageLoader, draws: Draws | None) -> None:
        self._loader = loader
        self._draws = None if draws is None else draws.to(loader.data.images.device)

    def __getitem__(self, indices: Tensor) -> Batch:
        loader = self._loader
        if loader.augmented is None or self._draws is None:
            pixels = loader.data.images[indices]
        else:
            pixels = loader.augmented.batch(indices, self._draws.of(indices))
        images = pixels.to(torch.float32).div_(255)
        if loader.shift_and_scale is not None:
            mean, std = loader.shift_and_scale
            images.sub_(mean).div_(std)
        return images, loader.data.labels[indices]


def _shift_and_scale(normalization: Normalization | None, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """Return mean and standard deviation of shape (C, 1, 1)."""
    if normalization is None:
        return None
    mean, std = (torch.tensor(values, device=device)[:, None, None] for values in normalization)
    return mean, std
