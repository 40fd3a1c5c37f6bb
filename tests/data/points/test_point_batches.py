from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laaf_lightning.data.points.point_batches import PointBatches
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import CollocationBatch


def batch_of(count: int, start: int = 0) -> CollocationBatch:
    points = torch.arange(start, start + count, dtype=torch.float64)[:, None]
    return CollocationBatch(points, torch.zeros(4, 1), torch.zeros(3, 1), {"start": 2, "end": 1})


def numbers(batches: Iterable[CollocationBatch]) -> list[int]:
    return [int(point) for batch in batches for point in batch.residual_points]


def test_without_a_batch_size_every_step_gets_the_same_object() -> None:
    batch = batch_of(5)
    loader = PointBatches(batch, 3)
    assert len(loader) == 3
    assert [step is batch for _ in range(2) for step in loader] == [True] * 6


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 12), size=st.integers(1, 12), steps=st.integers(1, 9), epochs=st.integers(1, 3))
def test_minibatches_use_every_point_equally_often(count: int, size: int, steps: int, epochs: int) -> None:
    size = min(size, count)
    loader = PointBatches(batch_of(count), steps, size)
    seen = [step for _ in range(epochs) for step in loader]
    assert len(seen) == steps * epochs
    assert {len(step.residual_points) for step in seen} == {size}
    assert {len(step.residual_points.unique()) for step in seen} == {size}
    used = Counter(numbers(seen))
    uses = [used[point] for point in range(count)]
    assert max(uses) - min(uses) <= 1


def test_conditions_are_complete_in_every_minibatch() -> None:
    batch = batch_of(6)
    for step in PointBatches(batch, 4, 2):
        assert step.condition_points is batch.condition_points
        assert step.condition_values is batch.condition_values
        assert step.condition_counts is batch.condition_counts


def test_points_come_in_a_random_order_that_is_new_in_each_pass_and_hangs_on_the_seed_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = numbers(PointBatches(batch_of(20), 8, 5, seed=3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert numbers(PointBatches(batch_of(20), 8, 5, seed=3)) == first
    assert numbers(PointBatches(batch_of(20), 8, 5, seed=4)) != first
    one, other = first[:20], first[20:]
    assert sorted(one) == sorted(other) == list(range(20))
    assert list(range(20)) != one != other


def test_another_epoch_goes_on_where_the_last_one_stopped() -> None:
    loader = PointBatches(batch_of(6), 1, 4)
    assert sorted(numbers([*loader, *loader, *loader])) == sorted([*range(6), *range(6)])


@pytest.mark.parametrize("count", [4, 6, 20])
def test_other_points_are_handed_out_from_the_next_step_on(count: int) -> None:
    loader = PointBatches(batch_of(6), 12, 2)
    steps = iter(loader)
    old = [next(steps)]
    loader.replace(batch_of(count, start=100))
    new = list(steps)
    assert set(numbers(old)) < set(range(6))
    assert {len(step.residual_points) for step in new} == {2}
    used = Counter(numbers(new))
    assert set(used) == set(range(100, 100 + count))
    assert max(used.values()) - min(used.values()) <= 1


def test_other_points_without_minibatches_are_the_same_object_at_every_step() -> None:
    loader, other = PointBatches(batch_of(6), 4), batch_of(3)
    steps = iter(loader)
    next(steps)
    loader.replace(other)
    assert [step is other for step in steps] == [True] * 3


@pytest.mark.parametrize("size", [0, -1, 7])
def test_a_batch_size_that_cannot_be_met_is_refused(size: int) -> None:
    sentence = f"batch_size={size} must be from 1 to the number of residual points of a process, 6; leave it out"
    with pytest.raises(ConfigurationError, match=sentence):
        PointBatches(batch_of(6), 1, size)


def test_too_few_other_points_are_refused_and_the_old_ones_stay() -> None:
    batch = batch_of(6)
    loader = PointBatches(batch, 2, 4)
    with pytest.raises(ConfigurationError, match=r"batch_size=4 must be from 1 to the number .* of a process, 3"):
        loader.replace(batch_of(3, start=100))
    assert loader.batch is batch
    assert set(numbers(loader)) == set(range(6))


def test_an_epoch_without_a_step_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="steps_per_epoch=0 must be >= 1"):
        PointBatches(batch_of(6), 0)
