"""Images with their labels, and whether they belong together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from laaf_lightning.data.images.formats.integrity import FETCH_AGAIN, DamagedFileError


@dataclass(frozen=True)
class LabeledImages:
    """Images with their labels.

    Args:
        images: uint8, shape (N, C, H, W), 0 to 255.
        labels: int64, shape (N,), from 0.
        source: the files they came from, in words, for messages.
    """

    images: Tensor
    labels: Tensor
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, indices: Tensor | slice) -> LabeledImages:
        return LabeledImages(self.images[indices], self.labels[indices], self.source)

    def to(self, device: torch.device) -> LabeledImages:
        """Move the images and labels.

        Args:
            device: where to.

        Returns:
            The same images there; these if they are there.
        """
        return LabeledImages(self.images.to(device), self.labels.to(device), self.source)


def check_images(
    data: LabeledImages, num_classes: int, in_channels: int, image_size: int, remedy: str = FETCH_AGAIN
) -> None:
    """Check that images and labels belong together and to a data set.

    Args:
        data: what was read.
        num_classes: labels must be 0 to ``num_classes`` - 1.
        in_channels: C of the set.
        image_size: height and width of the set in pixels.
        remedy: what to do about damage.

    Raises:
        DamagedFileError: if a size, a count or a label is wrong.
    """
    if len(data.images) != len(data.labels):
        problem = f"it holds {len(data.images)} images but {len(data.labels)} labels"
        raise DamagedFileError(data.source, problem, remedy)
    if not len(data.labels):
        raise DamagedFileError(data.source, "it holds no images", remedy)
    shape, expected = tuple(data.images.shape[1:]), (in_channels, image_size, image_size)
    if shape != expected:
        raise DamagedFileError(data.source, f"its images have shape {shape} instead of {expected}", remedy)
    low, high = int(data.labels.min()), int(data.labels.max())
    if low < 0 or high >= num_classes:
        problem = f"its labels run from {low} to {high} instead of within 0 to {num_classes - 1}"
        raise DamagedFileError(data.source, problem, remedy)
