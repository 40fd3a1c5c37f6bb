from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch

from laaf_lightning.data import BurgersDataModule, CollocationBatch, CollocationDataModule
from laaf_lightning.data.points.sampling import Sampler
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Burgers, Dirichlet
from tests.data.points.brick import Brick, batch_of, double

each_sampler = pytest.mark.parametrize("sampler", get_args(Sampler))


def assert_equal_batches(one: CollocationBatch, other: CollocationBatch) -> None:
    assert all(map(torch.equal, one[:3], other[:3]))
    assert one.condition_counts == other.condition_counts


@each_sampler
def test_residual_points_fill_the_problems_box(sampler: Sampler) -> None:
    points = CollocationDataModule(Brick(), num_residual=4096, num_condition=1, sampler=sampler).residual_points()
    assert points.shape == (4096, 3)
    assert points.dtype == torch.float64
    for column, (lower, upper) in zip(points.T.numpy(), [(2, 5), (-4, -3), (0, 0.5)], strict=True):
        assert lower <= column.min() < lower + 0.01 * (upper - lower)
        assert upper - 0.01 * (upper - lower) < column.max() <= upper
        counts = np.histogram(column, bins=8, range=(lower, upper))[0]
        assert np.abs(counts - 512).max() < 6 * np.sqrt(512)


@each_sampler
def test_condition_points_lie_on_their_faces_with_the_prescribed_values(sampler: Sampler) -> None:
    data = CollocationDataModule(Brick(), 10, {"start": 70, "bottom": 50}, sampler)
    points, values = (part.split([50, 70]) for part in data.condition_points())
    assert bool((points[0][:, 1] == -4).all())
    assert bool((points[1][:, 2] == 0).all())
    assert torch.equal(values[0], points[0][:, :1] * (2 + points[0][:, 2:]))
    assert torch.equal(values[1], 2 * points[1][:, :1])
    for face, free in zip(points, ((0, 2), (0, 1)), strict=True):
        for column in free:
            lower, upper = Brick.domain[Brick.coordinates[column]]
            assert bool(((face[:, column] >= lower) & (face[:, column] <= upper)).all())
            assert len(face[:, column].unique()) == len(face)


@each_sampler
def test_no_two_conditions_nor_the_interior_share_random_numbers(sampler: Sampler) -> None:
    data = CollocationDataModule(Brick(), 64, 64, sampler)
    bottom, start = data.condition_points()[0].split(64)
    # x is free in all three: the same numbers would give the same x.
    columns = [data.residual_points()[:, 0], bottom[:, 0], start[:, 0]]
    assert len(torch.cat(columns).unique()) == 3 * 64


def test_points_depend_on_the_condition_and_not_on_its_place_in_the_settings() -> None:
    one = CollocationDataModule(Burgers(), 5, {"initial": 3, "left": 4, "right": 5})
    other = CollocationDataModule(Burgers(), 5, {"right": 5, "initial": 3, "left": 4})
    assert_equal_batches(batch_of(one), batch_of(other))
    assert batch_of(one).condition_counts == {"initial": 3, "left": 4, "right": 5}


def test_zero_leaves_a_condition_out_and_one_number_is_for_each() -> None:
    points, values = CollocationDataModule(Burgers(), 5, {"initial": 3, "left": 0, "right": 2}).condition_points()
    assert points[:, 0].eq(-1).sum() == 0
    assert len(points) == len(values) == 5
    assert len(CollocationDataModule(Burgers(), 5, 4).condition_points()[0]) == 12


def test_seeds_decide_all_points_without_touching_the_global_state() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = batch_of(BurgersDataModule(num_residual=20, seed=3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again = batch_of(BurgersDataModule(num_residual=20, seed=3))
    other = batch_of(BurgersDataModule(num_residual=20, seed=4))
    assert_equal_batches(first, again)
    assert not torch.equal(first.residual_points, other.residual_points)
    assert not torch.equal(first.condition_points, other.condition_points)


def test_burgers_preset_has_the_papers_numbers() -> None:
    data = BurgersDataModule()
    batch = batch_of(data)
    assert data.problem == Burgers()
    assert len(data.train_dataloader()) == 100
    assert batch.residual_points.shape == (10_000, 2)
    x, t = batch.condition_points.T
    assert (len(x), int((t == 0).sum()), int((x == -1).sum()), int((x == 1).sum())) == (400, 200, 100, 100)
    initial = t == 0
    expected = torch.where(initial, -torch.sin(torch.pi * x), 0.0)
    torch.testing.assert_close(batch.condition_values[:, 0], expected, rtol=0, atol=1e-6)
    sides = t[~initial].numpy()
    assert np.abs(np.histogram(sides, bins=4, range=(0, 1))[0] - 50).max() < 6 * np.sqrt(50)
    assert np.abs(np.histogram(x[initial].numpy(), bins=4, range=(-1, 1))[0] - 50).max() < 6 * np.sqrt(50)


def test_burgers_preset_splits_an_odd_number_over_the_sides_and_passes_its_settings_on() -> None:
    data = BurgersDataModule(0.1, 7, num_initial=3, num_boundary=5, sampler="sobol", seed=2, steps_per_epoch=9)
    assert data.num_condition == {"initial": 3, "left": 2, "right": 3}
    same = CollocationDataModule(Burgers(0.1), 7, {"initial": 3, "left": 2, "right": 3}, "sobol", 2, 9)
    assert_equal_batches(batch_of(data), batch_of(same))
    assert len(data.train_dataloader()) == len(same.train_dataloader()) == 9


def test_evaluation_has_the_exact_solution_on_the_grid_and_prediction_the_grid() -> None:
    data = BurgersDataModule(0.1)
    (grid,) = data.predict_dataloader()
    assert torch.equal(grid, Burgers(0.1).grid().float())
    for loader in (data.val_dataloader(), data.test_dataloader()):
        ((points, u),) = loader
        assert torch.equal(points, grid)
        assert torch.equal(u, Burgers(0.1).exact(Burgers(0.1).grid()).float())


def test_problem_without_exact_solution_trains_but_cannot_be_validated() -> None:
    data = CollocationDataModule(Brick(), 8, 4)
    assert batch_of(data).residual_points.shape == (8, 3)
    message = "Brick has no exact solution to compare with: give it .*--trainer.limit_val_batches 0"
    with pytest.raises(ConfigurationError, match=message):
        data.val_dataloader()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"sampler": "sobl"},
            r"unknown sampler 'sobl': valid are uniform, latin_hypercube, sobol; did you mean 'sobol'",
        ),
        ({"num_residual": 0}, "num_residual=0 must be >= 1"),
        ({"num_residual": "100"}, "num_residual='100' must be a whole number >= 1"),
        ({"num_residual": 100.5}, "num_residual=100.5 must be a whole number >= 1"),
        ({"steps_per_epoch": "2"}, "steps_per_epoch='2' must be a whole number >= 1"),
        (
            {"num_condition": "200"},
            r"num_condition='200' must be a whole number for all .*\{'initial': 200, 'left': 200, ",
        ),
        (
            {"num_condition": [200, 100]},
            r"num_condition=\[200, 100\] must be a whole number for all conditions, or one f",
        ),
        (
            {"num_condition": {"initial": "9"}},
            "initial='9' points on the condition 'initial': must be a whole number >= 0",
        ),
        ({"seed": -1}, "seed=-1 must be >= 0"),
        ({"steps_per_epoch": 0}, "steps_per_epoch=0 must be >= 1"),
        ({"batch_size": 0}, "batch_size=0 must be >= 1"),
        ({"num_condition": -1}, "initial=-1 points on the condition 'initial': must be >= 0"),
        ({"num_condition": 0}, "num_condition={'initial': 0, 'left': 0, 'right': 0} has no point"),
        (
            {"num_condition": {"left": 3, "right": 3}},
            "lacks initial: name all of initial, left, right; 0 leaves one out",
        ),
        ({"num_condition": {"intial": 3}}, r"unknown condition of Burgers 'intial': .* did you mean 'initial'\?"),
    ],
)
def test_settings_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CollocationDataModule(Burgers(), **arguments)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ([], "Brick has no conditions: give it at least one, or an ansatz that meets them"),
        (
            [Dirichlet("start", ("t", 0.0), double)] * 2,
            r"conditions \[start, start\]: each needs another name",
        ),
        ([Dirichlet("start", ("time", 0.0), double)], "unknown coordinate of the condition 'start' of Brick 'time'"),
    ],
)
def test_conditions_that_cannot_be_sampled_or_would_be_overlooked_are_refused(
    conditions: list[Dirichlet], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CollocationDataModule(Brick(conditions))


def test_condition_values_of_another_shape_are_refused_instead_of_broadcast() -> None:
    row = Dirichlet("start", ("t", 0.0), lambda points: points[:, 0][None])
    with pytest.raises(
        ConfigurationError, match=r"'start' has shape \(1, 4\) at 4 points: .* shape \(4, 1\) or \(4,\)"
    ):
        CollocationDataModule(Brick([row]), 5, 4).condition_points()


def test_values_that_disagree_at_a_corner_are_warned_about_with_the_place() -> None:
    faces = (
        Dirichlet("start", ("t", 0.0), double),
        Dirichlet("left", ("x", 2.0), lambda points: 3 + points[:, :1]),
    )
    with pytest.warns(UserWarning, match="'start' and 'left' of Brick disagree at x=2, .*t=0: 4 against 5") as caught:
        CollocationDataModule(Brick(faces))
    assert len(caught) == 1
