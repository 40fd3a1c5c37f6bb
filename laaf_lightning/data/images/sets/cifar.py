"""CIFAR-10 and CIFAR-100: 50 000 training and 10 000 test images of 32 × 32 pixels in colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

import torch

from laaf_lightning.data.images.archive import read_archive
from laaf_lightning.data.images.augmentation import Augmentation
from laaf_lightning.data.images.base import Split
from laaf_lightning.data.images.download import download, write_whole
from laaf_lightning.data.images.formats import (
    FETCH_AGAIN,
    DamagedFileError,
    LabeledImages,
    file_md5,
    is_there,
    read_cifar,
)
from laaf_lightning.data.images.loader import Normalization
from laaf_lightning.data.images.published import PublishedImageDataModule

_CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree
wolf woman worm
"""


class _CIFARDataModule(PublishedImageDataModule):
    """What the two sets share: pickled batches out of one archive."""

    in_channels: ClassVar[int] = 3
    image_size: ClassVar[int] = 32
    augmentation: ClassVar[Augmentation] = Augmentation(padding=4, flip=True)
    addresses: ClassVar[tuple[str, ...]] = ("https://www.cs.toronto.edu/~kriz/",)
    archive: ClassVar[str]
    archive_md5: ClassVar[str]
    label_key: ClassVar[str]
    parts: ClassVar[Mapping[Split, tuple[str, ...]]]

    def check(self, file: Path, name: str) -> LabeledImages:
        """Read a batch.

        Args:
            file: where it is.
            name: which one of ``files`` it is.

        Returns:
            Its images.
        """
        return read_cifar(file, self.label_key, self.checksum(file, name))

    def fetch(self, folder: Path, name: str) -> None:
        """Download the archive unless it lies beside the folder, and unpack the batches that are missing.

        Args:
            folder: the set's folder.
            name: one of ``files``.
        """
        archive = folder.parent / self.archive
        fetched = not is_there(archive)
        download(archive, self.urls(self.archive), self._check_archive, self.way_out(folder, name))
        self._check_archive(archive)
        members = {f"{self.folder}/{file}": file for file in self.files if self.find(folder, file) is None}
        read_archive(archive, members, lambda member, content: self._unpack(folder, members[member], content))
        if fetched:
            archive.unlink()

    def read(self, root: Path, split: Split) -> LabeledImages:
        """Read the training or the test images.

        Args:
            root: folder of the data sets.
            split: which of the two.

        Returns:
            The images, batch after batch.
        """
        folder = root / self.folder
        batches: list[LabeledImages] = [self.content(self.existing(folder, name), name) for name in self.parts[split]]
        images, labels = (torch.cat(part) for part in zip(*((b.images, b.labels) for b in batches), strict=True))
        return LabeledImages(images, labels, f"{folder} ({', '.join(self.parts[split])})")

    def _check_archive(self, archive: Path) -> None:
        if self.verify and (actual := file_md5(archive)) != self.archive_md5:
            raise DamagedFileError(
                archive, f"it has MD5 {actual}, the published archive {self.archive_md5}", FETCH_AGAIN
            )
        missing = {f"{self.folder}/{name}" for name in self.files}
        read_archive(archive, frozenset(missing), lambda member, content: missing.remove(member))
        if missing:
            raise DamagedFileError(archive, f"it does not hold {', '.join(sorted(missing))}", FETCH_AGAIN)

    def _unpack(self, folder: Path, name: str, content: Iterable[bytes | bytearray]) -> None:
        write_whole(folder / name, content, lambda file: self.check(file, name))


class CIFAR10DataModule(_CIFARDataModule):
    """CIFAR-10: colour images of ten kinds of animals and vehicles (Krizhevsky, technical report, Toronto 2009).

    Files are looked for in ``<root>/cifar-10-batches-py``. Augmented, images are normalised as the paper's code does.
    The settings are those of ``ImageDataModule``.

    Example:
        >>> CIFAR10DataModule.num_classes, CIFAR10DataModule.in_channels, CIFAR10DataModule.image_size
        (10, 3, 32)
    """

    num_classes: ClassVar[int] = 10
    class_names: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    normalization: ClassVar[Normalization | None] = Normalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    normalized_if_augmented: ClassVar[bool] = True
    folder: ClassVar[str] = "cifar-10-batches-py"
    archive: ClassVar[str] = "cifar-10-python.tar.gz"
    archive_md5: ClassVar[str] = "c58f30108f718f92721af3b95e74349a"
    label_key: ClassVar[str] = "labels"
    parts: ClassVar[Mapping[Split, tuple[str, ...]]] = {
        "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test": ("test_batch",),
    }
    files: ClassVar[tuple[str, ...]] = (*parts["train"], *parts["test"])
    md5: ClassVar[Mapping[str, str]] = {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    }


class CIFAR100DataModule(_CIFARDataModule):
    """CIFAR-100: colour images of a hundred kinds of things (Krizhevsky, technical report, Toronto 2009).

    Files are looked for in ``<root>/cifar-100-python``. The settings are those of ``ImageDataModule``.

    Example:
        >>> CIFAR100DataModule.num_classes, len(CIFAR100DataModule.class_names)
        (100, 100)
    """

    num_classes: ClassVar[int] = 100
    class_names: ClassVar[tuple[str, ...]] = tuple(_CIFAR100_CLASSES.split())
    folder: ClassVar[str] = "cifar-100-python"
    archive: ClassVar[str] = "cifar-100-python.tar.gz"
    archive_md5: ClassVar[str] = "eb9058c3a382ffc7106e4002c42a8d85"
    label_key: ClassVar[str] = "fine_labels"
    parts: ClassVar[Mapping[Split, tuple[str, ...]]] = {"train": ("train",), "test": ("test",)}
    files: ClassVar[tuple[str, ...]] = ("train", "test")
    md5: ClassVar[Mapping[str, str]] = {
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    }
