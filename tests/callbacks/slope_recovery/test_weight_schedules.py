from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import laaf_lightning as laaf
from laaf_lightning.callbacks.slope_recovery.weight_schedules import weight_at
from tests.callbacks.plain_training import Batches, PlainModule, adapted, one_epoch_trainer, regression_batches

ENDING: list[Callable[..., laaf.WeightSchedule]] = [laaf.OffAfter, laaf.LinearDecay, laaf.CosineDecay]
ALL = [laaf.ConstantWeight, *ENDING]

few = settings(max_examples=30, deadline=None)
weights = st.floats(0, 1e6)
steps = st.integers(1, 10_000)


@few
@given(weight=weights, length=steps)
def test_ending_schedules_start_at_the_weight_fall_and_stay_at_zero(weight: float, length: int) -> None:
    for schedule in (kind(weight, length) for kind in ENDING):
        values = [schedule(step) for step in (0, length // 3, length // 2, length - 1, length, length + 1, 10 * length)]
        assert values[0] == weight
        assert all(earlier >= later for earlier, later in itertools.pairwise(values))
        assert values[4:] == [0, 0, 0]
        assert all(value >= 0 for value in values)


@few
@given(length=steps)
def test_shapes_are_a_step_a_line_and_half_a_cosine(length: int) -> None:
    grid = np.arange(length + 1)
    shapes: dict[Callable[..., laaf.WeightSchedule], Any] = {
        laaf.OffAfter: np.where(grid < length, 3.0, 0.0),
        laaf.LinearDecay: np.interp(grid, [0, length], [3.0, 0.0]),
        laaf.CosineDecay: 3.0 * np.cos(np.pi * grid / length / 2) ** 2,
    }
    for kind, expected in shapes.items():
        schedule = kind(3.0, length)
        probe = np.unique(np.linspace(0, length, 20).astype(int))
        np.testing.assert_allclose([schedule(int(step)) for step in probe], expected[probe], atol=1e-12)


@few
@given(weight=weights, step=st.integers(0, 10**9))
def test_the_constant_does_not_change(weight: float, step: int) -> None:
    assert laaf.ConstantWeight(weight)(step) == weight


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("weight", [-1e-9, math.inf, math.nan, "1", None, True, torch.ones(())], ids=repr)
def test_a_weight_that_is_none_is_refused_with_the_way_out(kind: Any, weight: Any) -> None:
    with pytest.raises(
        laaf.ConfigurationError, match=r"weight=.* must be a finite number >= 0.*slope_recovery.weight 0"
    ):
        kind(weight)


@pytest.mark.parametrize("kind", ENDING)
@pytest.mark.parametrize("length", [0, -5, math.nan, math.inf])
def test_a_length_below_one_step_is_refused_by_name(kind: Any, length: Any) -> None:
    with pytest.raises(
        laaf.ConfigurationError, match=rf"steps={length} of {kind.__name__} must be >= 1 optimiser steps"
    ):
        kind(steps=length)


def test_a_number_is_a_constant_and_other_things_are_refused_by_the_callback() -> None:
    assert repr(laaf.SlopeRecovery(2).weight) == "ConstantWeight(weight=2.0)"
    with pytest.raises(laaf.ConfigurationError, match=r"weight=<function .*or a WeightSchedule such as OffAfter"):
        laaf.SlopeRecovery(lambda step: 1.0)  # type: ignore[arg-type]


def test_schedules_say_their_settings() -> None:
    assert repr(laaf.OffAfter(0.5, steps=7)) == "OffAfter(weight=0.5, steps=7)"


class Returns(laaf.WeightSchedule):
    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, step: int) -> float:
        return self.value if step == 2 else 1.0


@pytest.mark.parametrize("value", [-0.5, math.nan, math.inf, None, "0.5", True, torch.ones(())], ids=repr)
def test_nonsense_from_a_schedule_is_an_error_that_names_schedule_value_and_step(value: Any) -> None:
    with pytest.raises(
        laaf.ConfigurationError, match=r"the schedule Returns\(.* gave the weight .* at step 2: it must"
    ):
        one_epoch_trainer(laaf.SlopeRecovery(Returns(value))).fit(adapted(PlainModule()), Batches(regression_batches()))


@pytest.mark.parametrize("value", [0, 2, 0.25, np.float64(0.5)])
def test_numbers_from_a_schedule_pass(value: float) -> None:
    assert weight_at(Returns(value), 2) == value


def test_only_schedules_that_can_never_rise_count_as_always_zero() -> None:
    class RisesFromZero(laaf.WeightSchedule):
        def __call__(self, step: int) -> float:
            return 0.1 * step

    assert all(kind(0.0).is_always_zero and not kind(0.1).is_always_zero for kind in ALL)
    assert not RisesFromZero(0.0).is_always_zero


@pytest.mark.parametrize("weight", [np.float32(0.5), np.float64(0.5), np.int64(2), Fraction(1, 2)], ids=repr)
def test_numbers_of_any_kind_are_weights_and_are_kept_as_pythons(weight: Any) -> None:
    kept = laaf.SlopeRecovery(weight=weight).weight
    assert (type(kept.weight), kept.weight) == (float, float(weight))

    class Returns(laaf.WeightSchedule):
        def __call__(self, step: int) -> float:
            return weight  # type: ignore[no-any-return]

    assert (type(weight_at(Returns(), 0)), weight_at(Returns(), 0)) == (float, float(weight))
