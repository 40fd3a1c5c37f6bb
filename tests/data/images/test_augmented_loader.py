from __future__ import annotations

import pickle

import pytest
import torch
from torch import Tensor

from laaf_lightning.data.images.augmentation import Augmentation, AugmentedImages
from laaf_lightning.data.images.formats import LabeledImages
from laaf_lightning.data.images.loader import ImageLoader, Normalization
from laaf_lightning.data.images.random_streams import AUGMENTATION, seeded_generator

EVERYTHING = Augmentation(padding=2, flip=True, degrees=20, scale=(0.8, 1.2))


def numbered(count: int = 30) -> LabeledImages:
    images = torch.randint(1, 256, (count, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return LabeledImages(images, torch.arange(count), "numbered")


def versions(*loaders: ImageLoader) -> dict[int, Tensor]:
    """Each image by its number, as the loaders gave it."""
    pairs = [
        pair for loader in loaders for images, labels in loader for pair in zip(labels.tolist(), images, strict=True)
    ]
    return dict(pairs)


def test_each_image_has_the_draw_of_its_number_whatever_batches_and_ranks() -> None:
    data = numbered()
    alone = versions(ImageLoader(data, 7, seed=3, augmentation=EVERYTHING))
    ranks = [ImageLoader(data, 4, seed=3, augmentation=EVERYTHING, rank=rank, world_size=3) for rank in range(3)]
    together = versions(*ranks)
    draws = EVERYTHING.draw(30, seeded_generator(3, AUGMENTATION))
    expected = AugmentedImages(data.images, EVERYTHING).batch(torch.arange(30), draws).float() / 255
    for number in range(30):
        assert torch.equal(alone[number], expected[number])
        assert torch.equal(together[number], expected[number])


def test_epochs_draw_anew_and_any_batch_can_be_made_again() -> None:
    loader = ImageLoader(numbered(), 8, seed=1, augmentation=EVERYTHING)
    epochs, seen = [], []
    for epoch in range(2):
        loader.set_epoch(epoch)
        epochs.append(list(loader))
        seen.append(versions(loader))
    assert sum(torch.equal(seen[0][number], seen[1][number]) for number in range(30)) < 3
    for epoch in (1, 0):
        loader.set_epoch(epoch)
        for number in (3, 0):
            for made, expected in zip(loader.batch(number), epochs[epoch][number], strict=True):
                assert torch.equal(made, expected)


def test_global_random_state_neither_matters_nor_changes() -> None:
    loader = ImageLoader(numbered(), 8, seed=1, augmentation=EVERYTHING)
    before = torch.get_rng_state()
    first = versions(loader)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    again = versions(loader)
    assert all(torch.equal(first[number], again[number]) for number in first)


def test_two_passes_under_way_at_once_do_not_disturb_each_other() -> None:
    loader = ImageLoader(numbered(), 8, seed=1, augmentation=EVERYTHING)
    expected = list(loader)
    outer = iter(loader)
    next(outer)
    loader.set_epoch(4)
    list(loader)
    assert torch.equal(next(outer)[0], expected[1][0])


def test_normalisation_comes_after_the_augmentation() -> None:
    normalization = Normalization((0.1, 0.2, 0.3), (0.5, 0.25, 2.0))
    plain = ImageLoader(numbered(), 30, seed=0, augmentation=EVERYTHING)
    normalized = ImageLoader(numbered(), 30, seed=0, augmentation=EVERYTHING, normalization=normalization)
    (images, _), (expected, _) = next(iter(normalized)), next(iter(plain))
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in normalization)
    torch.testing.assert_close(images, (expected - mean) / std)
    assert (expected == 0).any()  # black from outside is shifted and scaled as every other pixel is


def test_loader_survives_pickling() -> None:
    loader = ImageLoader(numbered(), 8, seed=1, augmentation=EVERYTHING)
    copy = versions(pickle.loads(pickle.dumps(loader)))
    assert all(torch.equal(copy[number], image) for number, image in versions(loader).items())


@pytest.mark.slow
def test_workers_give_the_same_batches() -> None:
    loaders = [ImageLoader(numbered(), 8, seed=1, augmentation=EVERYTHING, num_workers=n) for n in (0, 2)]
    for loader in loaders:
        loader.set_epoch(2)
    alone, helped = map(list, loaders)
    assert len(alone) == len(helped) == 4
    for one, other in zip(alone, helped, strict=True):
        assert all(map(torch.equal, one, other))
