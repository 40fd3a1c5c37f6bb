"""Random crops, flips, rotations and scalings of a whole batch, a draw for every image, as one gather."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError


class Draws(NamedTuple):
    """What was drawn for each of N images.

    Attributes:
        down: rows by which the crop starts below the top of the padded image, int64, shape (N,).
        right: columns by which it starts right of the left edge, int64, shape (N,).
        flip: whether the image is mirrored, bool, shape (N,).
        angle: rotation in degrees, clockwise as torchvision's, float32, shape (N,).
        scale: magnification, float32, shape (N,).
    """

    down: Tensor
    right: Tensor
    flip: Tensor
    angle: Tensor
    scale: Tensor

    def of(self, indices: Tensor) -> Draws:
        """Take the draws of some images.

        Args:
            indices: int64, shape (B,).

        Returns:
            Theirs.
        """
        return Draws(*(column[indices] for column in self))

    def to(self, device: torch.device) -> Draws:
        """Move the draws.

        Args:
            device: where to.

        Returns:
            The same draws there.
        """
        return Draws(*(column.to(device, non_blocking=True) for column in self))


@dataclass(frozen=True)
class Augmentation:
    """What happens to the images of a set, as torchvision's transforms of one image do it.

    In this order: ``RandomCrop(size, padding)``, ``RandomAffine(degrees, scale=scale)`` about the centre with nearest
    neighbours, ``RandomHorizontalFlip()``. What comes from outside the image is black. For the same draws a picture is
    that of torchvision's functions on tensors; on PIL images, whose affine rounds otherwise, about one pixel in ten
    thousand of a rotated picture differs.

    Args:
        padding: pixels on every side, ≥ 0.
        flip: whether half of the images are mirrored.
        degrees: rotations are uniform in [−degrees, degrees], ≥ 0.
        scale: magnifications are uniform between these two, > 0.

    Raises:
        ConfigurationError: for values outside these ranges.

    Example:
        >>> augmentation = Augmentation(padding=4, flip=True)
        >>> draws = augmentation.draw(50_000, torch.Generator().manual_seed(0))
        >>> int(draws.down.min()), int(draws.down.max()), 0.49 < draws.flip.float().mean().item() < 0.51
        (0, 8, True)
    """

    padding: int = 0
    flip: bool = False
    degrees: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if self.padding < 0 or self.degrees < 0:
            raise ConfigurationError(f"padding={self.padding} and degrees={self.degrees} must be >= 0")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ConfigurationError(f"scale={self.scale} must be two numbers > 0, the smaller one first")

    @property
    def is_affine(self) -> bool:
        """Whether images are rotated or scaled."""
        return self.degrees > 0 or self.scale != (1.0, 1.0)

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """Draw for all images of a set.

        Args:
            count: number of images N.
            generator: a CPU generator; the same state gives the same draws.

        Returns:
            The draws, on the CPU.
        """
        down, right = torch.randint(2 * self.padding + 1, (2, count), generator=generator)
        chance, turn, zoom = torch.rand(3, count, generator=generator)
        low, high = self.scale
        return Draws(down, right, (chance < 0.5) & self.flip, (2 * turn - 1) * self.degrees, low + zoom * (high - low))


class AugmentedImages:
    """Square images on a device, and their augmented versions, a batch at a time.

    Each image is kept flat with one black pixel behind it, to which everything outside an image points, so that a batch
    is a single gather.

    Args:
        images: uint8, shape (N, C, S, S).
        augmentation: what happens to them.

    Attributes:
        images: the images themselves, a view of the flat ones.

    Example:
        >>> augmentation = Augmentation(padding=1)
        >>> images = AugmentedImages(torch.full((1, 1, 2, 2), 7, dtype=torch.uint8), augmentation)
        >>> up = Draws(*torch.tensor([[0], [1], [0], [0], [1]]))
        >>> images.batch(torch.tensor([0]), up)[0, 0].tolist()
        [[0, 0], [7, 7]]
    """

    def __init__(self, images: Tensor, augmentation: Augmentation) -> None:
        count, channels, self._side, _ = images.shape
        black = images.new_zeros(count, channels, 1)
        self._pixels = torch.cat([images.flatten(2), black], dim=2)
        self.images = self._pixels[:, :, :-1].unflatten(2, (self._side, self._side))
        self._augmentation = augmentation
        self._maps = None if augmentation.is_affine else _crop_and_flip_maps(self._side, augmentation.padding)
        if self._maps is not None:
            self._maps = self._maps.to(images.device)

    def batch(self, indices: Tensor, draws: Draws) -> Tensor:
        """Gather augmented images.

        Args:
            indices: which images, int64, shape (B,), on the images' device.
            draws: theirs, B of them, on that device.

        Returns:
            uint8, shape (B, C, S, S).
        """
        if self._maps is None:
            sources = _affine_map(draws, self._side, self._augmentation.padding)
        else:
            places = 2 * self._augmentation.padding + 1
            sources = self._maps[(draws.flip.long() * places + draws.down) * places + draws.right]
        channels = self._pixels.shape[1]
        batch = self._pixels[indices].gather(2, sources.unsqueeze(1).expand(-1, channels, -1))
        return batch.reshape(-1, channels, self._side, self._side)


def _crop_and_flip_maps(side: int, padding: int) -> Tensor:
    """List where each pixel comes from, for every flip, row and column that can be drawn: (2·(2p+1)², S²)."""
    places = torch.arange(2 * padding + 1)
    flip, down, right = torch.cartesian_prod(torch.arange(2), places, places).unbind(1)
    unchanged = torch.ones(len(flip))
    return _affine_map(Draws(down, right, flip.bool(), 0 * unchanged, unchanged), side, padding)


def _affine_map(draws: Draws, side: int, padding: int) -> Tensor:
    """Compute where each pixel comes from: flat index into an image, or S² for outside; int64 (B, S²)."""
    # Back from the result: unflip, turn and shrink about the centre, then shift by the crop.
    centred = torch.arange(side, device=draws.flip.device) - (side - 1) / 2
    x = torch.where(draws.flip[:, None, None], -centred, centred)
    y = centred[None, :, None]
    angle = draws.angle[:, None, None] * (math.pi / 180)
    cosine, sine = angle.cos() / draws.scale[:, None, None], angle.sin() / draws.scale[:, None, None]
    columns = (cosine * x + sine * y + (side - 1) / 2).round().long()
    rows = (cosine * y - sine * x + (side - 1) / 2).round().long()
    inside = _within(columns, side) & _within(rows, side)
    columns = columns + draws.right[:, None, None] - padding
    rows = rows + draws.down[:, None, None] - padding
    inside = inside & _within(columns, side) & _within(rows, side)
    return torch.where(inside, rows * side + columns, side * side).flatten(1)


def _within(places: Tensor, side: int) -> Tensor:
    return (places >= 0) & (places < side)
