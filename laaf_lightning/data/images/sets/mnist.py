"""MNIST: 60 000 training and 10 000 test images of handwritten digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from laaf_lightning.data.images.augmentation import Augmentation
from laaf_lightning.data.images.sets.idx_files import IDXDataModule


class MNISTDataModule(IDXDataModule):
    """MNIST: grey 28 × 28 images of handwritten digits (LeCun, Bottou, Bengio & Haffner, Proc. IEEE 86, 1998).

    Files are looked for in ``<root>/MNIST/raw``, plain or as ``.gz``, and are fetched if they are missing or damaged.
    The settings are those of ``ImageDataModule``.

    Example:
        >>> MNISTDataModule.num_classes, MNISTDataModule.image_size
        (10, 28)
    """

    num_classes: ClassVar[int] = 10
    class_names: ClassVar[tuple[str, ...]] = tuple("0123456789")
    augmentation: ClassVar[Augmentation] = Augmentation(padding=2, degrees=15, scale=(0.85, 1.15))
    folder: ClassVar[str] = "MNIST/raw"
    addresses: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    md5: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }
