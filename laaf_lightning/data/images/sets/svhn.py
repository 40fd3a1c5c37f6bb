"""SVHN: 73 257 training and 26 032 test images of house numbers' digits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from laaf_lightning.data.images.augmentation import Augmentation
from laaf_lightning.data.images.base import Split
from laaf_lightning.data.images.download import download
from laaf_lightning.data.images.formats import LabeledImages, read_svhn
from laaf_lightning.data.images.published import PublishedImageDataModule


class SVHNDataModule(PublishedImageDataModule):
    """SVHN, cropped digits: colour images of 32 × 32 pixels (Netzer et al., NIPS workshop 2011); digit 0 has label 0.

    Files are looked for in ``<root>/SVHN``. The settings are those of ``ImageDataModule``.

    Example:
        >>> SVHNDataModule.num_classes, SVHNDataModule.in_channels, SVHNDataModule.image_size
        (10, 3, 32)
    """

    num_classes: ClassVar[int] = 10
    in_channels: ClassVar[int] = 3
    image_size: ClassVar[int] = 32
    class_names: ClassVar[tuple[str, ...]] = tuple("0123456789")
    augmentation: ClassVar[Augmentation] = Augmentation(padding=4, flip=True)
    folder: ClassVar[str] = "SVHN"
    files: ClassVar[tuple[str, ...]] = ("train_32x32.mat", "test_32x32.mat")
    addresses: ClassVar[tuple[str, ...]] = ("http://ufldl.stanford.edu/housenumbers/",)
    md5: ClassVar[Mapping[str, str]] = {
        "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    }

    def check(self, file: Path, name: str) -> LabeledImages:
        """Read a file.

        Args:
            file: where it is.
            name: which one of ``files`` it is.

        Returns:
            Its images.
        """
        return read_svhn(file, self.checksum(file, name))

    def fetch(self, folder: Path, name: str) -> None:
        """Download a file.

        Args:
            folder: the set's folder.
            name: one of ``files``.
        """
        download(folder / name, self.urls(name), lambda file: self.check(file, name), self.way_out(folder, name))

    def read(self, root: Path, split: Split) -> LabeledImages:
        """Read the training or the test images.

        Args:
            root: folder of the data sets.
            split: which of the two.

        Returns:
            The images.
        """
        name = f"{split}_32x32.mat"
        images: LabeledImages = self.content(self.existing(root / self.folder, name), name)
        return images
