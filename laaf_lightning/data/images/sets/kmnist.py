"""KMNIST: 60 000 training and 10 000 test images of cursive Japanese letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from laaf_lightning.data.images.augmentation import Augmentation
from laaf_lightning.data.images.sets.idx_files import IDXDataModule


class KMNISTDataModule(IDXDataModule):
    """Kuzushiji-MNIST: grey 28 × 28 images of ten cursive hiragana (Clanuwat et al. 2018, arXiv 1812.01718).

    Files are looked for in ``<root>/KMNIST/raw``, plain or as ``.gz``, and are fetched if they are missing or damaged.
    Only the checksums of the packed files are published: they are compared when a file is downloaded, and a manifest of
    the contents' SHA-256 is written beside it for later runs. The settings are those of ``ImageDataModule``.

    Example:
        >>> KMNISTDataModule.class_names[:3]
        ('o', 'ki', 'su')
    """

    num_classes: ClassVar[int] = 10
    class_names: ClassVar[tuple[str, ...]] = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    augmentation: ClassVar[Augmentation] = Augmentation(padding=2)
    folder: ClassVar[str] = "KMNIST/raw"
    addresses: ClassVar[tuple[str, ...]] = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
    archive_md5: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte": "7320c461ea6c1c855c0b718fb2a4b134",
    }
