"""Fashion-MNIST: 60 000 training and 10 000 test images of clothes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from laaf_lightning.data.images.augmentation import Augmentation
from laaf_lightning.data.images.sets.idx_files import IDXDataModule


class FashionMNISTDataModule(IDXDataModule):
    """Fashion-MNIST: grey 28 × 28 images of ten kinds of clothes (Xiao, Rasul & Vollgraf 2017, arXiv 1708.07747).

    Files are looked for in ``<root>/FashionMNIST/raw``, plain or as ``.gz``, and are fetched if they are missing
    or damaged. The settings are those of ``ImageDataModule``.

    Example:
        >>> FashionMNISTDataModule.num_classes, FashionMNISTDataModule.image_size
        (10, 28)
    """

    num_classes: ClassVar[int] = 10
    class_names: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    augmentation: ClassVar[Augmentation] = Augmentation(padding=2, flip=True)
    folder: ClassVar[str] = "FashionMNIST/raw"
    addresses: ClassVar[tuple[str, ...]] = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    md5: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    }
