"""Image sets published as four IDX files, as MNIST is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from laaf_lightning.data.download import download
from laaf_lightning.data.formats import Checksum, LabeledImages, read_idx
from laaf_lightning.data.images import ImageDataModule, Split
from laaf_lightning.data.root import ROOT_VARIABLE
from laaf_lightning.errors import ConfigurationError

_FILES: Mapping[Split, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_DIMENSIONS = (3, 1)


class IDXDataModule(ImageDataModule):
    """A set of grey images in ``<root>/<folder>/raw``, each file plain or as ``.gz``, where torchvision has them too.

    A subclass states the facts of ``ImageDataModule``, ``folder``, ``addresses`` (each ends in a slash and is
    followed by a file's name and ``.gz``) and ``md5`` (of the uncompressed content, by file name).

    Args:
        root: folder of the data sets; by default the environment variable LAAF_DATA_ROOT, else ``data``.
        batch_size: images per batch and process.
        seed: of the order of training images and the validation part; at least 0.
        val_split: training images set apart for validation: a fraction below 1 (float) or a count (int); 0 is none.
        verify: compare contents with the published checksums; false accepts other files of the same format.
        download: fetch files that are missing.
        num_workers: processes that gather batches ahead; 0 gathers in the main process.
        mirrors: addresses tried before the published ones, as URLs (``file://`` too) of folders that hold the
            ``.gz`` files.
    """

    in_channels: ClassVar[int] = 1
    image_size: ClassVar[int] = 28
    folder: ClassVar[str]
    addresses: ClassVar[tuple[str, ...]]
    md5: ClassVar[Mapping[str, str]]

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 64,
        seed: int = 0,
        val_split: int | float = 0,
        verify: bool = True,
        download: bool = True,
        num_workers: int = 0,
        mirrors: Sequence[str] = (),
    ) -> None:
        super().__init__(root, batch_size, seed, val_split, verify, download, num_workers)
        self.mirrors = tuple(mirrors)

    def prepare(self, root: Path) -> None:
        """Fetch the files that are missing.

        Args:
            root: folder of the data sets.
        """
        raw = root / self.folder / "raw"
        for names in _FILES.values():
            for name, dimensions in zip(names, _DIMENSIONS, strict=True):
                if self.download and _find(raw, name) is None:
                    self._fetch(raw, name, dimensions)
                self._existing(raw, name)

    def read(self, root: Path, split: Split) -> LabeledImages:
        """Read the training or the test images.

        Args:
            root: folder of the data sets.
            split: which of the two.

        Returns:
            The images.
        """
        files = [self._existing(root / self.folder / "raw", name) for name in _FILES[split]]
        images, labels = (
            read_idx(file, dimensions, self._expected(name))
            for file, dimensions, name in zip(files, _DIMENSIONS, _FILES[split], strict=True)
        )
        source = f"{files[0]} with {files[1].name}"
        return LabeledImages(images.unsqueeze(1), labels.long(), source)

    def _fetch(self, raw: Path, name: str, dimensions: int) -> None:
        urls = [f"{base.rstrip('/')}/{name}.gz" for base in (*self.mirrors, *self.addresses)]
        download(
            raw / f"{name}.gz",
            urls,
            check=lambda file: read_idx(file, dimensions, self._expected(name)),
            way_out=self._way_out(raw, name),
        )

    def _existing(self, raw: Path, name: str) -> Path:
        file = _find(raw, name)
        if file is None:
            fetch = "" if self.download else ", or set download to true"
            raise ConfigurationError(f"{raw / name}[.gz] is missing: {self._way_out(raw, name)}{fetch}")
        return file

    def _way_out(self, raw: Path, name: str) -> str:
        return (
            f"put {name} or {name}.gz into {raw}, or set root or the environment variable {ROOT_VARIABLE} to the "
            f"folder that holds {self.folder}/raw"
        )

    def _expected(self, name: str) -> Checksum | None:
        return Checksum("md5", self.md5[name]) if self.verify else None


def _find(raw: Path, name: str) -> Path | None:
    return next((file for file in (raw / name, raw / f"{name}.gz") if file.exists()), None)
