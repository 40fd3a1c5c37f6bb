from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laaf_lightning.data import LightningDataModule
from laaf_lightning.data.points.ranks import data_dtype, rank_share
from laaf_lightning.data.points.repeated_batch import RepeatedBatch
from laaf_lightning.errors import ConfigurationError


def attached(**facts: Any) -> LightningDataModule:
    """Make a DataModule whose Trainer has these facts."""
    module = LightningDataModule()
    module.trainer = SimpleNamespace(**facts)  # type: ignore[assignment]
    return module


def test_epoch_hands_out_the_same_object_every_time_and_can_be_run_again() -> None:
    batch = torch.zeros(3)
    loader = RepeatedBatch(batch, 4)
    assert len(loader) == 4
    for _ in range(2):
        assert [part is batch for part in loader] == [True] * 4


def test_two_passes_do_not_disturb_each_other() -> None:
    loader = RepeatedBatch("batch", 2)
    first, second = iter(loader), iter(loader)
    next(first)
    assert list(second) == ["batch", "batch"]
    assert list(first) == ["batch"]


def test_loader_survives_pickling() -> None:
    assert list(pickle.loads(pickle.dumps(RepeatedBatch([1.0], 2)))) == [[1.0], [1.0]]


@pytest.mark.parametrize("repeats", [0, -1])
def test_empty_epoch_is_refused(repeats: int) -> None:
    with pytest.raises(ConfigurationError, match=f"steps_per_epoch={repeats} must be >= 1"):
        RepeatedBatch(None, repeats)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("64-true", torch.float64),
        ("32-true", torch.float32),
        ("16-mixed", torch.float32),
        ("bf16-mixed", torch.float32),
        ("bf16-true", torch.float32),
    ],
)
def test_points_are_double_only_where_training_is(precision: str, dtype: torch.dtype) -> None:
    assert data_dtype(attached(precision=precision)) == dtype


def test_without_a_trainer_points_are_float32_and_all_of_them() -> None:
    module, points = LightningDataModule(), torch.arange(5.0)
    assert data_dtype(module) == torch.float32
    assert torch.equal(rank_share(module, points, "num_points"), points)


@given(count=st.integers(0, 40), world_size=st.integers(1, 5))
def test_shares_are_disjoint_nearly_equal_and_all_points_together(count: int, world_size: int) -> None:
    points = torch.arange(count)
    shares = [
        rank_share(attached(world_size=world_size, global_rank=rank), points, "num_points", equal=False)
        for rank in range(world_size)
    ]
    assert sorted(torch.cat(shares).tolist()) == list(range(count))
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1


@given(per_rank=st.integers(1, 9), world_size=st.integers(2, 5))
def test_mean_over_ranks_of_means_is_the_mean_over_points(per_rank: int, world_size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(per_rank * world_size, 2, dtype=torch.float64, generator=generator)
    means = [
        rank_share(attached(world_size=world_size, global_rank=rank), points, "num_points").mean(dim=0)
        for rank in range(world_size)
    ]
    torch.testing.assert_close(torch.stack(means).mean(dim=0), points.mean(dim=0))


def test_uneven_shares_of_training_points_are_refused() -> None:
    module = attached(world_size=2, global_rank=0)
    message = "num_points=301 points do not split evenly over 2 ranks, .* take a multiple of 2"
    with pytest.raises(ConfigurationError, match=message):
        rank_share(module, torch.zeros(301), "num_points")
