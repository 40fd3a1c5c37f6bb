from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.functional import to_pil_image, to_tensor

from laaf_lightning.data.images.formats import LabeledImages
from laaf_lightning.data.images.loader import ImageLoader
from laaf_lightning.data.images.random_streams import EPOCH_ORDER, VALIDATION_PART, seeded_generator


def numbered(count: int) -> LabeledImages:
    images = torch.randint(0, 256, (count, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return LabeledImages(images, torch.arange(count), "numbered")


def labels_of(loader: ImageLoader) -> list[int]:
    return [label for _, labels in loader for label in labels.tolist()]


def test_batches_equal_torchvision_image_by_image() -> None:
    data = numbered(10)
    loader = ImageLoader(data, batch_size=4, seed=1)
    batches = list(loader)
    assert [len(images) for images, _ in batches] == [4, 4, 2]
    for images, labels in batches:
        assert images.dtype == torch.float32
        for image, label in zip(images, labels, strict=True):
            torch.testing.assert_close(image, to_tensor(to_pil_image(data.images[label])), rtol=0, atol=0)


def test_every_epoch_holds_every_image_once_in_its_own_order_that_can_be_made_again() -> None:
    loader = ImageLoader(numbered(50), batch_size=8, seed=3)
    orders = []
    for epoch in range(3):
        loader.set_epoch(epoch)
        orders.append(labels_of(loader))
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    loader.set_epoch(1)
    assert labels_of(loader) == orders[1]
    other = ImageLoader(numbered(50), batch_size=8, seed=4)
    assert labels_of(other) != orders[0]


def test_global_random_state_neither_matters_nor_changes() -> None:
    loader = ImageLoader(numbered(50), batch_size=8, seed=3)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = labels_of(loader)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert labels_of(loader) == first


def test_without_seed_the_order_is_the_sets_own() -> None:
    assert labels_of(ImageLoader(numbered(7), batch_size=3)) == list(range(7))


def test_epoch_is_asked_when_the_first_batch_is_taken() -> None:
    now = [0]
    loader = ImageLoader(numbered(50), batch_size=50, seed=0, epoch=lambda: now[0])
    begun_early = iter(loader)
    now[0] = 5
    expected = ImageLoader(numbered(50), batch_size=50, seed=0)
    expected.set_epoch(5)
    assert next(begun_early)[1].tolist() == labels_of(expected)


@given(count=st.integers(1, 40), world_size=st.integers(1, 5), batch_size=st.integers(1, 7), shuffled=st.booleans())
def test_ranks_are_equally_long_and_repeat_images_only_as_padding(
    count: int, world_size: int, batch_size: int, shuffled: bool
) -> None:
    data = numbered(count)
    loaders = [
        ImageLoader(data, batch_size, seed=0 if shuffled else None, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    parts = [labels_of(loader) for loader in loaders]
    assert {len(part) for part in parts} == {-(-count // world_size)}
    assert all(len(list(loader)) == len(loader) for loader in loaders)
    interleaved = [part[i] for i in range(len(parts[0])) for part in parts]
    assert sorted(interleaved[:count]) == list(range(count))
    assert len(interleaved) - count < world_size


def test_one_step_of_two_ranks_sees_what_one_process_sees_with_twice_the_batch() -> None:
    data = numbered(24)
    ranks = [[*ImageLoader(data, 4, seed=7, rank=rank, world_size=2)] for rank in (0, 1)]
    single = [*ImageLoader(data, 8, seed=7)]
    assert len(single) == len(ranks[0]) == len(ranks[1])
    for (_, whole), (_, left), (_, right) in zip(single, *ranks, strict=True):
        assert sorted(whole.tolist()) == sorted([*left.tolist(), *right.tolist()])


def test_streams_of_one_seed_differ_by_purpose_and_epoch() -> None:
    keys = [(0, EPOCH_ORDER, 0), (0, EPOCH_ORDER, 1), (0, VALIDATION_PART, 0), (1, EPOCH_ORDER, 0)]
    draws = [torch.randperm(100, generator=seeded_generator(*key)) for key in keys]
    assert len({tuple(draw.tolist()) for draw in draws}) == len(keys)


def test_loader_survives_pickling() -> None:
    loader = ImageLoader(numbered(9), batch_size=4, seed=2)
    loader.set_epoch(3)
    assert labels_of(pickle.loads(pickle.dumps(loader))) == labels_of(loader)


@pytest.mark.slow
def test_workers_give_the_same_batches() -> None:
    data = numbered(20)
    alone, helped = (list(ImageLoader(data, 6, seed=1, num_workers=workers)) for workers in (0, 1))
    assert len(alone) == len(helped) == 4
    for one, other in zip(alone, helped, strict=True):
        assert all(map(torch.equal, one, other))
