from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from laaf_lightning.callbacks.resampling.residual_draws import (
    choose_by_weight,
    draw_seeds,
    largest_residuals,
    rad_weights,
)

MAGNITUDES = np.array([0.0, 0.3, 1.0, 2.5, 0.7])


def probabilities(power: float, offset: float) -> np.ndarray:
    """As Wu et al. write them."""
    density = MAGNITUDES**power / np.mean(MAGNITUDES**power) + offset
    return np.asarray(density / density.sum())


@pytest.mark.parametrize(("power", "offset"), [(1, 1), (2, 0.5), (0.5, 3)])
def test_single_draws_have_the_probabilities_of_rad(power: float, offset: float) -> None:
    weights = rad_weights(torch.tensor(MAGNITUDES), power, offset)
    drawn = Counter(int(choose_by_weight(weights, 1, seed)) for seed in range(8000))
    expected = 8000 * probabilities(power, offset)
    assert stats.chisquare([drawn[i] for i in range(5)], expected).pvalue > 1e-3


def test_draws_are_without_replacement_each_by_the_weights_of_those_left() -> None:
    p = probabilities(1, 1)
    weights = rad_weights(torch.tensor(MAGNITUDES), 1, 1)
    drawn = Counter(tuple(sorted(choose_by_weight(weights, 2, seed).tolist())) for seed in range(8000))
    pairs = list(itertools.combinations(range(5), 2))
    expected = [8000 * p[i] * p[j] * (1 / (1 - p[i]) + 1 / (1 - p[j])) for i, j in pairs]
    assert set(drawn) <= set(pairs)
    assert stats.chisquare([drawn[pair] for pair in pairs], expected).pvalue > 1e-3


@settings(max_examples=30, deadline=None)
@given(exponent=st.integers(-300, 300), power=st.sampled_from([0.5, 1.0, 3.0]))
def test_the_scale_of_the_residual_changes_nothing(exponent: int, power: float) -> None:
    scaled = rad_weights(torch.tensor(MAGNITUDES * 10.0**exponent), power, 0.7)
    torch.testing.assert_close(scaled, rad_weights(torch.tensor(MAGNITUDES), power, 0.7), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_a_residual_that_vanishes_everywhere_gives_uniform_weights(offset: float) -> None:
    assert rad_weights(torch.zeros(3), 1, offset).tolist() == [1.0, 1.0, 1.0]


def test_without_offset_points_without_residual_are_taken_last() -> None:
    weights = rad_weights(torch.tensor([0.0, 1.0, 0.0, 2.0]).double(), 1, 0)
    assert all(set(choose_by_weight(weights, 2, seed).tolist()) == {1, 3} for seed in range(50))
    assert sorted(choose_by_weight(weights, 4, 0).tolist()) == [0, 1, 2, 3]


def test_the_largest_are_exactly_the_top() -> None:
    magnitudes = np.random.default_rng(0).exponential(size=100)
    chosen = largest_residuals(torch.tensor(magnitudes), 7)
    assert chosen.tolist() == np.argsort(-magnitudes)[:7].tolist()


def test_seeds_of_steps_users_and_purposes_are_all_different() -> None:
    seeds = [value for seed in range(20) for step in range(0, 2000, 100) for value in draw_seeds(seed, step)]
    assert len(set(seeds)) == len(seeds) == 800
    assert all(isinstance(value, int) and value >= 0 for value in seeds)
