"""Batches gathered from images in memory, in an order and with draws that can be made again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from laaf_lightning.data.images.augmentation import Augmentation, AugmentedImages, Draws
from laaf_lightning.data.images.formats import LabeledImages
from laaf_lightning.data.images.random_streams import AUGMENTATION, EPOCH_ORDER, SECOND_PASS, seeded_generator
from laaf_lightning.errors import ConfigurationError

Batch: TypeAlias = tuple[Tensor, Tensor]


class Normalization(NamedTuple):
    """Mean and standard deviation of each channel, of pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class _Place(NamedTuple):
    """Where a pass over the images is.

    Attributes:
        epoch: whose order it has.
        batches: that were taken.
        images: of a batch, on all ranks together.
    """

    epoch: int
    batches: int
    images: int


class ImageLoader:
    """Batches of images in memory: a gather and a conversion a batch, on the device that holds the images.

    With several ranks each takes every ``world_size``-th image of one common order, so that one step of all ranks
    together sees what a single process with ``world_size`` times the batch size would see. Ranks have equally many
    images: where the set does not divide, the order is continued from its start. The order and the draws of the
    augmentation depend on seed and epoch alone, and a draw belongs to its image: they are the same on any device and
    any number of ranks. Its ``state_dict`` tells the place in the epoch; Lightning keeps it in checkpoints.

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
        self._place = self._resumed = _Place(0, 0, self._batch_of_all_ranks)

    @property
    def _batch_of_all_ranks(self) -> int:
        return self.batch_size * self.world_size

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
        first = self._first_batch()
        self._place = _Place(self.epoch, first, self._batch_of_all_ranks)
        for batch in self._pass(self.draws(), first):
            self._place = self._place._replace(batches=self._place.batches + 1)
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return where the pass is that was begun last.

        Returns:
            The epoch, the batches taken of it, and the images of a batch on all ranks together.
        """
        return self._place._asdict()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Let the next pass go on from there, if it is one of that epoch.

        Args:
            state: what `state_dict` returned.
        """
        self._resumed = _Place(**state)

    def _first_batch(self) -> int:
        """Return the batch that the next pass begins with."""
        resumed, self._resumed = self._resumed, _Place(0, 0, 0)
        if not resumed.batches or resumed.epoch != self.epoch:
            return 0
        if resumed.images != self._batch_of_all_ranks and resumed.batches < len(self):
            raise ConfigurationError(
                f"the checkpoint was saved within an epoch, after {resumed.batches} batches of {resumed.images} images "
                f"on all processes together, and a batch is {self._batch_of_all_ranks} images now: resume with the "
                "batch_size and the number of processes of then (--data.batch_size), or from the end of an epoch"
            )
        return resumed.batches

    def second_pass(self) -> Iterator[Batch]:
        """Go through the epoch's images once more, with other draws than in training.

        Yields:
            Batches as ``iter(loader)`` does.
        """
        yield from self._pass(self.draws(SECOND_PASS))

    def _pass(self, draws: Draws | None, first: int = 0) -> Iterator[Batch]:
        batches = _Pass(self, draws)
        order = self.order()[first * self.batch_size :]
        if not self.num_workers:
            order = order.to(self.data.images.device, non_blocking=True)
            return map(batches.__getitem__, order.split(self.batch_size) if len(order) else ())
        parts = order.split(self.batch_size) if len(order) else ()
        loader = DataLoader(
            batches,
            sampler=parts,
            batch_size=None,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # workers draw nothing: their seed is none of the training's numbers
        )
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
