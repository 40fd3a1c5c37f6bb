"""Image sets published as four IDX files, as MNIST is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from laaf_lightning.data.images.base import Split
from laaf_lightning.data.images.download import download
from laaf_lightning.data.images.formats import (
    FETCH_AGAIN,
    Checksum,
    DamagedFileError,
    LabeledImages,
    file_md5,
    is_there,
    read_content,
    read_idx,
    read_manifest,
    write_manifest,
)
from laaf_lightning.data.images.published import PublishedImageDataModule

_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
_DIMENSIONS = {_IMAGES: 3, _LABELS: 1}
_PREFIX: Mapping[Split, str] = {"train": "train", "test": "t10k"}


class IDXDataModule(PublishedImageDataModule):
    """A set of grey images in ``<root>/<folder>``, each file plain or as ``.gz``.

    A subclass states the facts of ``PublishedImageDataModule`` except ``files``; where only the packed files' checksums
    are published, ``archive_md5`` instead of ``md5``: then a packed file is checked when it is downloaded, and a
    manifest of the contents' SHA-256 is written beside it.

    The settings are those of ``ImageDataModule``.
    """

    in_channels: ClassVar[int] = 1
    image_size: ClassVar[int] = 28
    files: ClassVar[tuple[str, ...]] = tuple(f"{prefix}-{kind}" for prefix in _PREFIX.values() for kind in _DIMENSIONS)
    archive_md5: ClassVar[Mapping[str, str]] = {}

    def find(self, folder: Path, name: str) -> Path | None:
        """Look for a file, plain or packed.

        Args:
            folder: the set's folder.
            name: one of ``files``.

        Returns:
            Its path, the plain one first, or None.
        """
        return next((file for file in (folder / name, folder / f"{name}.gz") if is_there(file)), None)

    def checksum(self, file: Path, name: str) -> Checksum | None:
        """Return the checksum that a file's content must have.

        Args:
            file: where it is.
            name: which one of ``files`` it is.

        Returns:
            The published one, or the manifest's; None if there is none, or ``verify`` is false.
        """
        published = super().checksum(file, name)
        return read_manifest(file.parent).get(name) if self.verify and published is None else published

    def check(self, file: Path, name: str) -> Tensor:
        """Read a file.

        Args:
            file: where it is.
            name: which one of ``files`` it is.

        Returns:
            uint8, shape (N, 28, 28) or (N,).
        """
        return read_idx(file, _DIMENSIONS[name.split("-", 1)[1]], self.checksum(file, name))

    def fetch(self, folder: Path, name: str) -> None:
        """Download a packed file.

        Args:
            folder: the set's folder.
            name: one of ``files``.
        """

        def check(file: Path) -> None:
            if self.verify and name in self.archive_md5:
                _check_archive(file, self.archive_md5[name])
            self.check(file, name)

        packed = folder / f"{name}.gz"
        download(packed, self.urls(packed.name), check, self.way_out(folder, name))
        if self.verify and name in self.archive_md5:
            with read_content(packed) as content:
                write_manifest(folder, {name: b"".join(iter(content.some, b""))})

    def read(self, root: Path, split: Split) -> LabeledImages:
        """Read the training or the test images.

        Args:
            root: folder of the data sets.
            split: which of the two.

        Returns:
            The images.
        """
        names = [f"{_PREFIX[split]}-{kind}" for kind in _DIMENSIONS]
        files = [self.existing(root / self.folder, name) for name in names]
        images, labels = (self.content(file, name) for file, name in zip(files, names, strict=True))
        for file, name in zip(files, names, strict=True):
            self.say_if_unverified(file, self.checksum(file, name))
        return LabeledImages(images.unsqueeze(1), labels.long(), f"{files[0]} with {files[1].name}")

    def way_out(self, folder: Path, name: str) -> str:
        """Say what a user can do about a missing file.

        Args:
            folder: the set's folder.
            name: one of ``files``.

        Returns:
            Words that end an error's sentence.
        """
        return super().way_out(folder, f"{name} or {name}.gz")


def _check_archive(file: Path, md5: str) -> None:
    actual = file_md5(file)
    if actual != md5:
        raise DamagedFileError(file, f"the archive has MD5 {actual}, the published one {md5}", FETCH_AGAIN)
