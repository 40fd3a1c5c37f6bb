"""Problems on a disc and on an L train, are validated and are drawn like those on a box."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.callbacks import ResampleCollocation
from laaf_lightning.cli.run.predictions.columns import exact_columns
from laaf_lightning.data import CollocationDataModule
from laaf_lightning.derivatives import Field
from laaf_lightning.figures import PlaneData, RegressionData, SpaceTimeData
from laaf_lightning.modules import PINN
from laaf_lightning.modules.solution_figures import solution_figures
from laaf_lightning.problems import PDE, Box, Condition, Dirichlet, Disc, Geometry, OverTime, Polygon
from tests.problems.geometry.every_shape import L_CORNERS, QUADRANT, SQUARE
from tests.trainers import quiet_trainer


@dataclass(frozen=True, eq=False)
class OnBoundary(Condition):
    """u is what the problem's solution is, on all of the boundary."""

    problem: PDE
    unknown = None

    def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        return self.problem.geometry.sample_boundary(len(points), "sobol", seed=1).points

    def target(self, points: Tensor) -> Tensor:
        u = self.problem.exact(points)
        assert u is not None
        return u

    def operator(self, u: Field, partner: Field | None) -> Tensor:
        return u.value


@dataclass(frozen=True)
class Poisson(PDE):
    """u = 1 − x² − y² on any shape."""

    geometry: Geometry

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("x", "x") + u.d("y", "y") + 4

    def conditions(self) -> Sequence[Condition]:
        return [OnBoundary("boundary", self)]

    def exact(self, points: Tensor) -> Tensor:
        return 1 - points.double().square().sum(dim=1, keepdim=True)


SHAPES = {"disc": Disc(), "difference": SQUARE - QUADRANT, "polygon": Polygon(L_CORNERS)}
every_shape = pytest.mark.parametrize("shape", [pytest.param(shape, id=name) for name, shape in SHAPES.items()])


def fitted(shape: Geometry, steps: int = 20) -> tuple[PINN, CollocationDataModule]:
    torch.manual_seed(0)
    model = PINN(Poisson(shape), width=10, depth=2, engine="taylor", optimizer=partial(torch.optim.Adam, lr=1e-2))
    data = CollocationDataModule(Poisson(shape), 200, 100, sampler="latin_hypercube", steps_per_epoch=5)
    resampling = ResampleCollocation(every_n_steps=7, method="rad", num_candidates=400)
    trainer = quiet_trainer(resampling, max_steps=steps, max_epochs=-1, limit_val_batches=1)
    trainer.fit(model, data)
    return model, data


@every_shape
def test_it_trains_on_points_inside_and_is_validated_inside(shape: Geometry) -> None:
    model, data = fitted(shape)
    assert shape.contains(data.residual_points()).all()
    assert not torch.equal(data.residual_points(), data.sample_residual_points(200, 0))
    (grid, u), *_ = data.val_dataloader()
    assert shape.contains(grid).all()
    assert 0.7 < len(grid) / 101**2 < 0.8
    assert u.shape == (len(grid), 1)
    (predicted, *_) = data.predict_dataloader()
    assert torch.equal(predicted, grid)
    metrics = quiet_trainer().validate(model, data, verbose=False)
    expected = (model(grid).detach() - u).norm() / u.norm()
    assert metrics[0]["val/relative_l2"] == pytest.approx(expected.item(), rel=1e-4)


@every_shape
def test_its_figures_are_open_where_there_is_no_domain(shape: Geometry) -> None:
    model, _ = fitted(shape, steps=2)
    (drawn,) = model.figure_data(training_points=True).values()
    assert isinstance(drawn, PlaneData)
    x, y = np.meshgrid(drawn.x, drawn.y)
    inside = shape.contains(torch.from_numpy(np.stack([x.ravel(), y.ravel()], axis=1))).numpy().reshape(x.shape)
    assert drawn.exact is not None
    assert isinstance(drawn.prediction, np.ndarray)
    for values in (drawn.prediction, drawn.exact):
        np.testing.assert_array_equal(np.isnan(values), ~inside)
    np.testing.assert_allclose(drawn.exact[inside], (1 - x**2 - y**2)[inside], atol=1e-15)
    assert drawn.title is not None
    assert "nan" not in drawn.title
    assert sorted(drawn.figures()) == ["error", "field"]


def test_training_lowers_the_error_on_a_disc() -> None:
    model, _ = fitted(Disc(), steps=120)
    grid = model.problem.grid()
    u = Poisson(Disc()).exact(grid)
    assert (model(grid.float()).detach() - u).norm() / u.norm() < 0.25  # 0.9 at the start


class OverTimes(Poisson):
    """On a shape in space and time, or on a line."""

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("x")


def test_gaps_in_space_and_time_and_on_a_line_are_drawn() -> None:
    triangle = OverTimes(Polygon([(-1, 0), (1, 0), (0, 1)], coordinates=("x", "t")))
    drawn = solution_figures(triangle, triangle.exact)["overtimes"]
    assert isinstance(drawn, SpaceTimeData)
    assert np.isnan(drawn.prediction).mean() == pytest.approx(0.5, abs=0.02)
    assert sorted(drawn.figures()) == ["error", "field", "slices", "spectrum"]
    line = OverTimes(Box(("x",), ((0.0, 1.0),)) | Box(("x",), ((2.0, 3.0),)))
    drawn = solution_figures(line, line.exact)["overtimes"]
    assert isinstance(drawn, RegressionData)
    assert isinstance(drawn.prediction, np.ndarray)
    assert np.isnan(drawn.prediction).sum() == 101 - len(line.grid())
    assert sorted(drawn.figures()) == ["error", "solution", "spectrum"]


def test_predictions_have_no_exact_solution_outside() -> None:
    model = PINN(Poisson(Disc()), width=4, depth=1, engine="autograd")
    points = torch.tensor([[0.0, 0.0], [0.8, 0.8], [0.6, 0.8]], dtype=torch.float64)
    known = exact_columns(model, points, only_inside=True)["exact_u"]
    assert known[[0, 2]].tolist() == pytest.approx([1.0, 0.0])
    assert math.isnan(known[1].item())


def test_initial_values_lie_on_the_whole_disc() -> None:
    class Heat(Poisson):
        def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
            return u.d("t") - u.d("x", "x") - u.d("y", "y")

        def conditions(self) -> Sequence[Condition]:
            return [Dirichlet("initial", ("t", 0.0), 1.0), OnBoundary("rim", self)]

    data = CollocationDataModule(Heat(OverTime(Disc(), (0.0, 2.0))), 100, {"initial": 500, "rim": 300})
    points, _ = data.condition_points()
    initial, rim = points.split([500, 300])
    assert (initial[:, 2] == 0).all()
    radius = initial[:, :2].norm(dim=1)
    assert radius.square().mean().item() == pytest.approx(0.5, abs=0.05)
    assert (rim[:, :2].norm(dim=1) - 1).abs().max() < 1e-12
    assert rim[:, 2].mean().item() == pytest.approx(1.0, abs=0.05)
