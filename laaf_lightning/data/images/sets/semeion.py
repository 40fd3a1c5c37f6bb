"""Semeion: 1593 handwritten digits, which ship with the package.

``semeion.npz`` was made from the UCI repository's ``semeion.data``. It holds ``pixels``, the 256 pixels of each
digit by ``numpy.packbits(axis=1)``, uint8 of shape (1593, 32), and ``labels``, the digits 0 to 9, uint8 of shape
(1593,), both in the file's order, written by ``numpy.savez_compressed``. The published file follows from it byte for
byte.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from laaf_lightning.data.images.augmentation import Augmentation
from laaf_lightning.data.images.base import ImageDataModule, Split
from laaf_lightning.data.images.formats import Checksum, LabeledImages, is_there, read_semeion
from laaf_lightning.data.images.random_streams import TEST_PART, seeded_generator
from laaf_lightning.errors import ConfigurationError

CHECKSUM = Checksum("md5", "cb545d371d2ce14ec121470795a77432")
TRAINING_DIGITS = 1000
_REMEDY = "remove it to use the digits that ship with laaf_lightning, or put the published file in its place"


def packaged_semeion() -> LabeledImages:
    """Read the digits that ship with the package.

    Returns:
        All 1593, in the published file's order; strokes are 255, the ground is 0.

    Example:
        >>> digits = packaged_semeion()
        >>> tuple(digits.images.shape), digits.labels[:3].tolist()
        ((1593, 1, 16, 16), [0, 0, 0])
    """
    with files("laaf_lightning.data.images.sets").joinpath("semeion.npz").open("rb") as file, np.load(file) as arrays:
        pixels = np.unpackbits(arrays["pixels"], axis=1).reshape(-1, 1, 16, 16)
        labels = arrays["labels"].astype(np.int64)
    return LabeledImages(torch.from_numpy(pixels * np.uint8(255)), torch.from_numpy(labels), "semeion.npz")


class SemeionDataModule(ImageDataModule):
    """Semeion: 16 × 16 handwritten digits in black and white (Buscema, UCI repository, doi 10.24432/C5SC8V).

    One random permutation, which depends on ``seed`` alone, gives 1000 training and 593 test digits. The digits ship
    with the package, so that nothing is ever downloaded; a ``semeion.data`` in ``root`` is used instead. The
    settings are those of ``ImageDataModule``.

    Example:
        >>> data = SemeionDataModule(batch_size=100)
        >>> data.setup()
        >>> len(data.train_dataloader()), len(data.test_dataloader())
        (10, 6)
    """

    num_classes: ClassVar[int] = 10
    in_channels: ClassVar[int] = 1
    image_size: ClassVar[int] = 16
    class_names: ClassVar[tuple[str, ...]] = tuple("0123456789")
    augmentation: ClassVar[Augmentation] = Augmentation(padding=1, degrees=4, scale=(1.05, 1.05))

    def prepare(self, root: Path) -> None:
        """Do nothing: the digits are there.

        Args:
            root: folder of the data sets.
        """

    def read(self, root: Path, split: Split) -> LabeledImages:
        """Read the training or the test digits.

        Args:
            root: folder of the data sets.
            split: which of the two.

        Returns:
            The digits, in the order of the permutation.

        Raises:
            ConfigurationError: if another file is used and has too few digits to divide.
        """
        file = root / "semeion.data"
        digits = (
            read_semeion(file, CHECKSUM if self.verify else None, _REMEDY) if is_there(file) else packaged_semeion()
        )
        if len(digits) <= TRAINING_DIGITS:
            raise ConfigurationError(
                f"{file} has {len(digits)} digits: there must be more than {TRAINING_DIGITS}, which are for training"
            )
        order = torch.randperm(len(digits), generator=seeded_generator(self.seed, TEST_PART))
        return digits[order[:TRAINING_DIGITS] if split == "train" else order[TRAINING_DIGITS:]]
