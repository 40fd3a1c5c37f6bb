from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laaf_lightning.data.points.sampling import Sampler, sample_box, sample_unit_cube
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE, Burgers, Heat

SAMPLERS = get_args(Sampler)


@settings(max_examples=30)
@given(
    sampler=st.sampled_from(SAMPLERS), count=st.integers(1, 60), dimension=st.integers(1, 4), seed=st.integers(0, 9999)
)
def test_samples_lie_in_the_unit_cube_and_depend_on_the_seed_alone(
    sampler: Sampler, count: int, dimension: int, seed: int
) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    points = sample_unit_cube(sampler, count, dimension, seed)
    assert torch.equal(torch.get_rng_state(), before)
    assert points.shape == (count, dimension)
    assert points.dtype == torch.float64
    assert bool(((points >= 0) & (points < 1)).all())
    torch.manual_seed(seed + 1)
    assert torch.equal(sample_unit_cube(sampler, count, dimension, seed), points)
    assert not torch.equal(sample_unit_cube(sampler, count, dimension, seed + 1), points)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_fill_the_cube_evenly_and_in_all_coordinates_independently(sampler: Sampler) -> None:
    cells = (sample_unit_cube(sampler, 8192, 2, seed=1) * 4).floor().long()
    counts = torch.bincount(4 * cells[:, 0] + cells[:, 1], minlength=16)
    assert (counts - 512).abs().max() < 6 * np.sqrt(512)


@settings(max_examples=30)
@given(count=st.integers(1, 60), dimension=st.integers(1, 4), seed=st.integers(0, 9999))
def test_latin_hypercube_has_one_point_in_each_stratum_of_each_coordinate(
    count: int, dimension: int, seed: int
) -> None:
    strata = (sample_unit_cube("latin_hypercube", count, dimension, seed) * count).floor()
    for column in strata.T:
        assert sorted(column.tolist()) == list(range(count))


def test_latin_hypercube_pairs_strata_at_random_and_places_points_at_random_within() -> None:
    points = sample_unit_cube("latin_hypercube", 1000, 2, seed=0) * 1000
    assert abs(np.corrcoef(points.T.numpy())[0, 1]) < 0.2
    within = (points - points.floor()).numpy().ravel()
    assert np.abs(np.histogram(within, bins=4, range=(0, 1))[0] - 500).max() < 6 * np.sqrt(500)


def test_sobol_points_are_those_of_torchs_engine() -> None:
    engine = torch.quasirandom.SobolEngine(3, scramble=True, seed=5)
    assert torch.equal(sample_unit_cube("sobol", 100, 3, seed=5), engine.draw(100, dtype=torch.float64))


def test_sobol_points_are_more_even_than_uniform_ones() -> None:
    counts = {s: np.histogram(sample_unit_cube(s, 256, 2, 0)[:, 1].numpy(), 16, (0, 1))[0] for s in SAMPLERS}
    assert set(counts["sobol"]) == {16}
    assert counts["uniform"].std() > 2


def test_unknown_sampler_is_refused_by_the_function_too() -> None:
    with pytest.raises(ConfigurationError, match="unknown sampler 'halton': valid are uniform, latin_hypercube, sobol"):
        sample_unit_cube("halton", 3, 2, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("problem", [Burgers(), Heat()], ids=repr)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_points_of_a_domain_are_those_of_the_cube_stretched(problem: PDE, sampler: Sampler) -> None:
    cube = sample_unit_cube(sampler, 9, 2, seed=4).numpy()
    (left, right), (start, end) = problem.domain["x"], problem.domain["t"]
    expected = np.stack([left + (right - left) * cube[:, 0], start + (end - start) * cube[:, 1]], axis=1)
    np.testing.assert_allclose(sample_box(problem, sampler, 9, seed=4).numpy(), expected, rtol=1e-15)
