from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler

from laaf_lightning.cli.run.predictions.positions import TakesTurns, length, positions
from laaf_lightning.data.images.formats import LabeledImages
from laaf_lightning.data.images.loader import ImageLoader


def trainer(rank: int, world: int, precision: str = "32-true") -> Any:
    return SimpleNamespace(global_rank=rank, world_size=world, precision=precision)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_all_ranks_together_have_each_image_once(world: int) -> None:
    data = LabeledImages(torch.zeros(7, 1, 2, 2, dtype=torch.uint8), torch.arange(7), "a set")
    found = []
    for rank in range(world):
        loader = ImageLoader(data, 2, rank=rank, world_size=world)
        labels = torch.cat([batch[1] for batch in loader])
        index = positions(trainer(rank, world), loader, len(labels))
        assert index is not None
        first = index < (length(loader) or 0)
        assert torch.equal(index[first], labels[first])
        found += index[first].tolist()
    assert sorted(found) == list(range(7))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_take_turns_with_points(world: int) -> None:
    points = torch.rand(7, 2, dtype=torch.float64)
    together = torch.zeros_like(points)
    for rank in range(world):
        chunks = TakesTurns(points, trainer(rank, world, "64-true"), size=2)
        parts = list(chunks)
        assert len(parts) == len(chunks)
        assert max(map(len, parts)) <= 2
        index = positions(trainer(rank, world), chunks, len(chunks.share))
        assert index is not None
        together[index] = torch.cat(parts)
    assert torch.equal(together, points)
    assert next(iter(TakesTurns(points, trainer(0, 1)))).dtype == torch.float32


def test_the_order_of_other_loaders_is_known_where_a_sampler_shares_them_out() -> None:
    items: Any = list(range(6))
    sampler: Any = DistributedSampler(items, 2, 1, shuffle=False)
    index = positions(trainer(1, 2), DataLoader(items, sampler=sampler), 3)
    assert index is not None
    assert index.tolist() == [1, 3, 5]
    assert positions(trainer(1, 2), DataLoader(items), 3) is None
    assert positions(trainer(0, 1), DataLoader(items), 6) is not None
    assert length(DataLoader(items)) is None
