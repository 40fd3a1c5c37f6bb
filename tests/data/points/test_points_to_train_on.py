"""Points that are handed out in minibatches, set anew or measured."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from laaf_lightning.data import CollocationDataModule
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Burgers, Dirichlet, PointData
from tests.data.points.brick import Brick, batch_of


def test_a_minibatch_larger_than_all_points_is_refused() -> None:
    data = CollocationDataModule(Burgers(), 5, 4, batch_size=6)
    with pytest.raises(ConfigurationError, match=r"batch_size=6 must be from 1 to the number .* of a process, 5"):
        data.train_dataloader()


def test_minibatches_hold_some_of_the_residual_points_and_all_conditions() -> None:
    data = CollocationDataModule(Burgers(), 12, 4, steps_per_epoch=3, batch_size=4)
    whole, steps = CollocationDataModule(Burgers(), 12, 4).train_dataloader().batch, list(data.train_dataloader())
    assert sorted(torch.cat([step.residual_points for step in steps]).tolist()) == sorted(
        whole.residual_points.tolist()
    )
    for step in steps:
        assert torch.equal(step.condition_points, whole.condition_points)
        assert step.condition_counts == {"initial": 4, "left": 4, "right": 4}


def test_points_can_be_set_before_training() -> None:
    data = CollocationDataModule(Burgers(), 12, 4)
    points = data.sample_residual_points(7, seed=5)
    data.set_residual_points(points)
    assert torch.equal(data.residual_points(), points)
    assert torch.equal(batch_of(data).residual_points, points.float())
    kept = points.clone()
    points.zero_()  # the caller's own again
    assert torch.equal(data.residual_points(), kept)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (
            torch.tensor([[0.0, 0.5], [1.5, 0.5], [2.0, 1]]),
            r"2 points outside the domain, the first in row 1: x=1\.5",
        ),
        (torch.tensor([[0.0, torch.nan]]), r"1 points outside the domain, the first in row 0: t=nan is not in \[0"),
        (torch.zeros(3, 1), r"points of shape \(3, 1\): expected \(N, 2\) for x, t"),
        (torch.zeros(2), r"points of shape \(2,\): expected \(N, 2\) for x, t"),
    ],
)
def test_points_outside_the_domain_are_refused_and_the_old_ones_stay(points: Tensor, message: str) -> None:
    data = CollocationDataModule(Burgers(), 5, 4)
    before = data.residual_points()
    with pytest.raises(ConfigurationError, match=f"set_residual_points has {message}"):
        data.set_residual_points(points)
    assert torch.equal(data.residual_points(), before)


def test_fewer_points_than_a_minibatch_are_refused_and_the_old_ones_stay() -> None:
    data = CollocationDataModule(Burgers(), 8, 4, batch_size=6)
    data.train_dataloader()
    before = data.residual_points()
    with pytest.raises(ConfigurationError, match=r"batch_size=6 must be from 1 to the number .* of a process, 5"):
        data.set_residual_points(data.sample_residual_points(5, seed=9))
    assert torch.equal(data.residual_points(), before)


def test_measured_data_outside_the_domain_or_not_finite_are_refused() -> None:
    for points, values, message in (
        (torch.tensor([[3.0, -3.5, 0.6]]), torch.zeros(1, 1), r"'sensor' of Brick has 1 points outside .*t=0\.6"),
        (torch.tensor([[3.0, -3.5, 0.4]]), torch.full((1, 1), torch.nan), r"'sensor' of Brick has values that are not"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            CollocationDataModule(Brick([PointData("sensor", points, values)]))


def test_points_to_train_on_may_be_an_array() -> None:
    data = CollocationDataModule(Brick([Dirichlet("start", ("t", 0.0), 0.0)]), 5, 4)
    points = data.sample_residual_points(5, seed=9)
    data.set_residual_points(points.numpy())
    assert torch.equal(data.residual_points(), points)
