from __future__ import annotations

from collections import Counter

import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision.transforms import Compose, RandomAffine, RandomCrop, RandomHorizontalFlip
from torchvision.transforms import functional as tv

from laaf_lightning.data import (
    Augmentation,
    CIFAR10DataModule,
    CIFAR100DataModule,
    FashionMNISTDataModule,
    ImageDataModule,
    KMNISTDataModule,
    MNISTDataModule,
    SemeionDataModule,
    SVHNDataModule,
)
from laaf_lightning.data.images.augmentation import AugmentedImages, Draws
from laaf_lightning.errors import ConfigurationError

# The transforms of the paper's code, set by set.
PAPER: dict[type[ImageDataModule], Compose] = {
    SemeionDataModule: Compose([RandomCrop(16, padding=1), RandomAffine(4, scale=(1.05, 1.05))]),
    MNISTDataModule: Compose([RandomCrop(28, padding=2), RandomAffine(15, scale=(0.85, 1.15))]),
    KMNISTDataModule: Compose([RandomCrop(28, padding=2)]),
    FashionMNISTDataModule: Compose([RandomCrop(28, padding=2), RandomHorizontalFlip()]),
    CIFAR10DataModule: Compose([RandomCrop(32, padding=4), RandomHorizontalFlip()]),
    CIFAR100DataModule: Compose([RandomCrop(32, padding=4), RandomHorizontalFlip()]),
    SVHNDataModule: Compose([RandomCrop(32, padding=4), RandomHorizontalFlip()]),
}
SETS = pytest.mark.parametrize("data", PAPER, ids=lambda data: data.__name__)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def torchvision_version(image: Tensor, augmentation: Augmentation, draws: Draws) -> Tensor:
    """Do to one image, by torchvision's own functions, what was drawn for it."""
    size, padding = image.shape[-1], augmentation.padding
    down, right, flip, angle, scale = (column.item() for column in draws)
    image = tv.crop(tv.pad(image, [padding] * 4), int(down), int(right), size, size)
    image = tv.affine(image, angle, [0, 0], scale, [0.0, 0.0])
    return tv.hflip(image) if flip else image


@SETS
def test_batch_equals_torchvision_image_by_image(data: type[ImageDataModule]) -> None:
    shape = (200, data.in_channels, data.image_size, data.image_size)
    images = torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator())
    draws = data.augmentation.draw(200, generator(1))
    batch = AugmentedImages(images, data.augmentation).batch(torch.arange(200), draws)
    for i in range(200):
        expected = torchvision_version(images[i], data.augmentation, draws.of(torch.tensor([i])))
        assert torch.equal(batch[i], expected), i


def test_all_kinds_together_equal_torchvision_but_for_ties_of_rounding() -> None:
    augmentation = Augmentation(padding=3, flip=True, degrees=40, scale=(0.7, 1.3))
    images = torch.randint(1, 256, (300, 2, 20, 20), dtype=torch.uint8, generator=generator())
    draws = augmentation.draw(300, generator(1))
    batch = AugmentedImages(images, augmentation).batch(torch.arange(300), draws)
    expected = [torchvision_version(images[i], augmentation, draws.of(torch.tensor([i]))) for i in range(300)]
    assert (batch != torch.stack(expected)).double().mean() < 1e-4


def numbered(size: int) -> Tensor:
    """An image whose pixels tell where they come from: rows in the first channel, columns in the second, from 1."""
    rows, columns = torch.meshgrid(torch.arange(1, size + 1), torch.arange(1, size + 1), indexing="ij")
    return torch.stack([rows, columns]).to(torch.uint8)


def shift_and_flip(image: Tensor) -> tuple[int, int, bool]:
    """Read off a shifted and mirrored numbered image what was done to it, from its middle."""
    middle = image.shape[-1] // 2
    here, right = image[:, middle, middle].int(), image[:, middle, middle + 1].int()
    return int(here[0]), int(min(here[1], right[1])), bool(right[1] < here[1])


@pytest.mark.parametrize(
    "data", [KMNISTDataModule, FashionMNISTDataModule, CIFAR10DataModule], ids=lambda data: data.__name__
)
def test_shifts_and_flips_are_as_frequent_as_torchvisions(data: type[ImageDataModule]) -> None:
    count, image = 6000, numbered(data.image_size)
    torch.manual_seed(0)
    theirs = Counter(shift_and_flip(PAPER[data](image)) for _ in range(count))
    draws = data.augmentation.draw(count, generator(1))
    augmented = AugmentedImages(image.unsqueeze(0), data.augmentation)
    ours = Counter(map(shift_and_flip, augmented.batch(torch.zeros(count, dtype=torch.int64), draws)))
    assert ours.keys() == theirs.keys()
    assert len(ours) == (2 * data.augmentation.padding + 1) ** 2 * (2 if data.augmentation.flip else 1)
    table = [[counts[outcome] for outcome in ours] for counts in (ours, theirs)]
    assert stats.chi2_contingency(table).pvalue > 0.01
    assert stats.chisquare(list(ours.values())).pvalue > 0.01


@pytest.mark.parametrize("data", [SemeionDataModule, MNISTDataModule], ids=lambda data: data.__name__)
def test_angles_and_scales_are_distributed_as_torchvisions(data: type[ImageDataModule]) -> None:
    affine = next(step for step in PAPER[data].transforms if isinstance(step, RandomAffine))
    torch.manual_seed(0)
    size = [data.image_size, data.image_size]
    drawn = [RandomAffine.get_params(affine.degrees, None, affine.scale, None, size) for _ in range(5000)]
    draws = data.augmentation.draw(5000, generator(1))
    assert stats.ks_2samp(draws.angle.numpy(), [angle for angle, *_ in drawn]).pvalue > 0.01
    assert draws.angle.abs().max() <= affine.degrees[1]
    if data is SemeionDataModule:
        assert set(draws.scale.tolist()) == {torch.tensor(1.05).item()}
    else:
        assert stats.ks_2samp(draws.scale.numpy(), [scale for *_, scale, _ in drawn]).pvalue > 0.01
    assert abs(stats.spearmanr(draws.angle, draws.down).statistic) < 0.05


def test_draws_of_one_image_are_independent_of_each_other() -> None:
    draws = Augmentation(padding=4, flip=True, degrees=15, scale=(0.8, 1.2)).draw(20_000, generator())
    correlation = torch.corrcoef(torch.stack([column.double() for column in draws]))
    assert (correlation - torch.eye(5)).abs().max() < 0.03


def test_without_anything_to_do_images_are_unchanged() -> None:
    images = torch.randint(0, 256, (9, 3, 8, 8), dtype=torch.uint8, generator=generator())
    augmented = AugmentedImages(images, Augmentation())
    assert torch.equal(augmented.batch(torch.arange(9), Augmentation().draw(9, generator())), images)
    assert torch.equal(augmented.images, images)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"padding": -1}, "padding=-1"),
        ({"degrees": -5}, "degrees=-5"),
        ({"scale": (1.2, 0.8)}, r"scale=\(1.2, 0.8\) must be two numbers > 0, the smaller one first"),
        ({"scale": (0.0, 1.0)}, "scale="),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Augmentation(**settings)  # type: ignore[arg-type]  # that is what is tested
