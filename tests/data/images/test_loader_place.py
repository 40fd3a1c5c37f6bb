"""A pass over the images goes on from where another was."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from laaf_lightning import ConfigurationError
from laaf_lightning.data.images.augmentation import Augmentation
from laaf_lightning.data.images.formats import LabeledImages
from laaf_lightning.data.images.loader import Batch, ImageLoader

IMAGES = LabeledImages(torch.arange(160, dtype=torch.uint8).reshape(10, 1, 4, 4), torch.arange(10), "an example")


def loader(epoch: int = 2, batch_size: int = 3, num_workers: int = 0, world_size: int = 1) -> ImageLoader:
    made = ImageLoader(
        IMAGES, batch_size, seed=5, augmentation=Augmentation(padding=1), num_workers=num_workers, world_size=world_size
    )
    made.set_epoch(epoch)
    return made


def equal(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("num_workers", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("taken", [0, 1, 3, 4])
def test_goes_on_where_the_other_was(taken: int, num_workers: int) -> None:
    whole, cut, resumed = list(loader()), loader(), loader(num_workers=num_workers)
    assert len(list(islice(cut, taken))) == taken
    resumed.load_state_dict(cut.state_dict())
    assert equal(list(resumed), whole[taken:])
    assert resumed.state_dict() == {"epoch": 2, "batches": 4, "images": 3}
    assert equal(list(resumed), whole)  # the next pass is whole again


def test_another_epoch_is_whole() -> None:
    cut, resumed = loader(epoch=1), loader(epoch=2)
    next(iter(cut))
    resumed.load_state_dict(cut.state_dict())
    assert equal(list(resumed), list(loader(epoch=2)))


@pytest.mark.parametrize("settings", [{"batch_size": 5}, {"world_size": 2}])
def test_refuses_a_place_among_other_batches(settings: dict[str, int]) -> None:
    cut, resumed = loader(), loader(**settings)
    next(iter(cut))
    resumed.load_state_dict(cut.state_dict())
    with pytest.raises(ConfigurationError, match=r"after 1 batches of 3 images .* \(--data.batch_size\)"):
        list(resumed)


def test_workers_take_no_numbers_of_the_training() -> None:
    before = torch.get_rng_state()
    next(iter(loader(num_workers=1)))
    assert torch.equal(torch.get_rng_state(), before)
