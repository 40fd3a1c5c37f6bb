from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import laaf_lightning as laaf
from laaf_lightning.data import Augmentation, ImageDataModule, LabeledImages, Normalization
from laaf_lightning.data.images.base import Split
from laaf_lightning.errors import ConfigurationError
from tests.data.images.published import WRITERS

SEVEN = [
    laaf.SemeionDataModule,
    laaf.MNISTDataModule,
    laaf.KMNISTDataModule,
    laaf.FashionMNISTDataModule,
    laaf.CIFAR10DataModule,
    laaf.CIFAR100DataModule,
    laaf.SVHNDataModule,
]
SETTINGS = {
    "root": None,
    "batch_size": 64,
    "augment": False,
    "seed": 0,
    "val_split": 0,
    "normalize": "auto",
    "verify": True,
    "download": True,
    "num_workers": 0,
    "on_device": True,
    "train_size": None,
    "test_size": None,
    "mirrors": (),
}


class Pictures(ImageDataModule):
    """60 training and 40 test images of 2 channels, 6 × 6; the label is the number modulo 3."""

    num_classes: ClassVar[int] = 3
    in_channels: ClassVar[int] = 2
    image_size: ClassVar[int] = 6
    class_names: ClassVar[tuple[str, ...]] = ("a", "b", "c")
    augmentation: ClassVar[Augmentation] = Augmentation(padding=2, flip=True)

    def prepare(self, root: Path) -> None:
        """Nothing to do."""

    def read(self, root: Path, split: Split) -> LabeledImages:
        count, seed = (60, 0) if split == "train" else (40, 1)
        generator = torch.Generator().manual_seed(seed)
        pixels = torch.randint(1, 200, (count, 2, 6, 6), dtype=torch.uint8, generator=generator)
        return LabeledImages(pixels, torch.arange(count) % 3, split)


def whole(loader: Any) -> Tensor:
    return torch.cat([images for images, _ in loader])


@pytest.mark.parametrize("data", SEVEN, ids=lambda data: data.__name__)
def test_all_seven_have_the_same_settings_with_the_same_defaults(data: type[ImageDataModule]) -> None:
    parameters = inspect.signature(data).parameters
    assert {name: parameters[name].default for name in SETTINGS} == SETTINGS
    assert set(parameters) == set(SETTINGS)


def test_augmentation_is_for_training_images_alone() -> None:
    plain, augmented = (Pictures(batch_size=60, augment=augment, val_split=10) for augment in (False, True))
    for data in (plain, augmented):
        data.setup()
    assert not torch.equal(whole(plain.train_dataloader()), whole(augmented.train_dataloader()))
    for name in ("val_dataloader", "test_dataloader", "predict_dataloader"):
        assert torch.equal(whole(getattr(plain, name)()), whole(getattr(augmented, name)()))


def test_augmentation_depends_on_the_seed() -> None:
    images = []
    for seed in (0, 0, 1):
        data = Pictures(batch_size=60, augment=True, seed=seed)
        data.setup("fit")
        images.append(whole(data.train_dataloader()))
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


@pytest.mark.parametrize(("augment", "normalize"), [(False, True), (True, True)])
def test_normalize_takes_mean_and_std_of_the_training_images(augment: bool, normalize: bool) -> None:
    data, plain = Pictures(batch_size=60, augment=augment, normalize=normalize), Pictures(batch_size=60)
    for module in (data, plain):
        module.setup("test")
    pixels = plain.read(Path(), "train").images.double() / 255
    mean, std = (getattr(pixels, name)(dim=(0, 2, 3), keepdim=True) for name in ("mean", "std"))
    std = std * (1 - 1 / pixels[:, 0].numel()) ** 0.5  # of the population
    expected = (whole(plain.test_dataloader()) - mean) / std
    torch.testing.assert_close(whole(data.test_dataloader()).double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("data", SEVEN, ids=lambda data: data.__name__)
def test_only_augmented_cifar_10_is_normalised_by_itself(
    data: type[ImageDataModule], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAAF_DATA_ROOT", str(tmp_path))
    folders = {"FashionMNISTDataModule": "fashion_mnist"}
    name = folders.get(data.__name__, data.__name__.removesuffix("DataModule").lower())
    if name in WRITERS:
        WRITERS[name](tmp_path, (50, 20))
    normalized = []
    for augment in (False, True):
        module = data(verify=False, augment=augment)
        module.setup("test")
        normalized.append(whole(module.test_dataloader()).min().item() < 0)
    assert normalized == [False, data is laaf.CIFAR10DataModule]


def test_cifar_10_is_normalised_with_the_papers_numbers() -> None:
    numbers = Normalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    assert laaf.CIFAR10DataModule.normalization == numbers


def test_subsets_are_drawn_with_the_seed_and_keep_their_labels() -> None:
    data = Pictures(train_size=20, test_size=7, val_split=5)
    data.setup()
    names = ("train_dataloader", "val_dataloader", "test_dataloader")
    sizes = [len(getattr(data, name)().data) for name in names]
    assert sizes == [15, 5, 7]
    everything = Pictures().read(Path(), "test")
    for image, label in zip(data.test_dataloader().data.images, data.test_dataloader().data.labels, strict=True):
        (number,) = (everything.images == image).all(dim=(1, 2, 3)).nonzero().flatten().tolist()
        assert label == number % 3
    again, other = Pictures(test_size=7), Pictures(test_size=7, seed=1)
    for module in (again, other):
        module.setup("test")
    assert torch.equal(again.test_dataloader().data.images, data.test_dataloader().data.images)
    assert not torch.equal(other.test_dataloader().data.images, data.test_dataloader().data.images)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"train_size": 61}, "train_size is 61: it must be from 1 to the set's 60, or null for all"),
        ({"test_size": 0}, "test_size is 0: it must be from 1 to the set's 40"),
        ({"normalize": "always"}, "normalize is 'always': it must be auto, true or false"),
        ({"num_workers": -1}, "num_workers is -1: it must be at least 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Pictures(**settings).setup()
