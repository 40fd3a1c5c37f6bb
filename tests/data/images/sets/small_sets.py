"""Small sets of the exact published formats, whose contents a DataModule takes for the published ones."""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torchvision.datasets import CIFAR10, CIFAR100, KMNIST, MNIST, SVHN, FashionMNIST

import laaf_lightning as laaf
from laaf_lightning.data import PublishedImageDataModule

COUNT = (50, 20)
SETS: dict[str, tuple[type[PublishedImageDataModule], Any]] = {
    "mnist": (laaf.MNISTDataModule, MNIST),
    "kmnist": (laaf.KMNISTDataModule, KMNIST),
    "fashion_mnist": (laaf.FashionMNISTDataModule, FashionMNIST),
    "cifar10": (laaf.CIFAR10DataModule, CIFAR10),
    "cifar100": (laaf.CIFAR100DataModule, CIFAR100),
    "svhn": (laaf.SVHNDataModule, SVHN),
}
each_set = pytest.mark.parametrize("small", SETS, indirect=True)


@dataclass
class Small:
    """A small set of the exact format, and a DataModule that takes its contents for the published ones."""

    name: str
    root: Path
    module: type[PublishedImageDataModule]

    def data(self, root: Path | None = None, **settings: Any) -> PublishedImageDataModule:
        return self.module(root=str(root or self.root), **settings)

    @property
    def files(self) -> list[Path]:
        found = [self.module.find(self.data(), self.root / self.module.folder, name) for name in self.module.files]
        return [file for file in found if file is not None]

    def mirror(self, folder: Path) -> str:
        """Offer the set as its address does: packed files, or one archive."""
        folder.mkdir()
        archive = getattr(self.module, "archive", None)
        if archive is None:
            for file in self.files:
                (folder / file.name).write_bytes(file.read_bytes())
        else:
            with tarfile.open(folder / archive, "w:gz") as tar:
                tar.add(self.root / self.module.folder, self.module.folder)
            setattr(self.module, "archive_md5", md5((folder / archive).read_bytes()))  # noqa: B010  # not every set's
        return folder.as_uri()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()
