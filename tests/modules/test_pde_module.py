from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import PlaneData, RunFacts, SliceData, SpaceTimeData
from laaf_lightning.modules import PINN
from laaf_lightning.problems import PDE, Burgers, Dirichlet
from tests.modules.small import PolynomialPINN, Reaction, burgers_data, small_pinn
from tests.solutions.equations import assert_same, pinn_of, points_of
from tests.trainers import quiet_trainer

NU = 0.25


def test_a_forward_of_ones_own_is_refused_since_the_residual_would_not_see_it() -> None:
    class Scaled(PINN):
        def forward(self, inputs: Tensor) -> Tensor:
            return 2 * super().forward(inputs)

    with pytest.raises(
        ConfigurationError,
        match=r"Scaled has a forward of its own, which validation would use and the residual would not: let build_net",
    ):
        Scaled(Burgers(), width=4, depth=1)

    class Both(Scaled):
        def field(self, points: Tensor, known: Any = None, *, at_conditions: bool = False) -> Field:
            return super().field(points, known, at_conditions=at_conditions)

    assert Both(Burgers(), width=4, depth=1)(torch.rand(2, 2)).shape == (2, 1)


def test_a_residual_that_is_set_on_the_module_takes_part_in_the_loss() -> None:
    model, batch = pinn_of(Burgers()), points_of(Burgers())
    expected = model.loss_terms(batch)["residual"]
    model.residual = lambda points, known=None: 3 * PINN.residual(model, points, known)  # type: ignore[method-assign]
    assert_same(model.loss_terms(batch)["residual"], 9 * expected)
    del model.residual
    assert_same(model.loss_terms(batch)["residual"], expected)


def test_chunks_and_recordings_can_be_set_between_steps() -> None:
    model = PINN(Burgers(), width=4, depth=1, chunk_size=7)
    assert (model.chunk_size, model.cuda_graphs) == (7, False)
    model.chunk_size, model.cuda_graphs = None, True
    assert (model.solution.chunk_size, model.solution.cuda_graphs) == (None, True)


def test_figure_data_puts_time_along_the_rows() -> None:
    data = PolynomialPINN(Burgers(NU)).figure_data()["burgers"]
    assert isinstance(data, SpaceTimeData)
    assert data.prediction.shape == (100, 256)
    np.testing.assert_allclose(data.prediction, data.t[:, None] * data.x[None, :] ** 2, rtol=1e-5, atol=1e-7)
    assert data.exact is not None
    assert data.exact.shape == (100, 256)
    np.testing.assert_allclose(data.exact[0], -np.sin(np.pi * data.x), atol=1e-12)
    point = torch.tensor([[data.x[200], data.t[70]]])
    assert data.exact[70, 200] == pytest.approx(Burgers(NU).exact(point).item(), rel=1e-12)


def test_figure_data_of_a_problem_without_solution_has_the_prediction_alone() -> None:
    data = PINN(Reaction(), width=4, depth=1).figure_data()["reaction"]
    assert isinstance(data, SpaceTimeData)
    assert data.exact is None
    assert data.prediction.shape == (101, 101)


def test_figure_data_is_titled_by_step_error_and_slopes() -> None:
    model, trainer = small_pinn(scope="neuron"), quiet_trainer(max_epochs=1)
    trainer.fit(model, datamodule=burgers_data(steps_per_epoch=3))
    data = model.figure_data()["burgers"]
    assert isinstance(data, SpaceTimeData)
    error = trainer.callback_metrics["val/relative_l2"].item()
    assert data.title == RunFacts(step=3, scope="neuron", n=5.0).title(error)


def test_figure_data_of_a_network_of_ones_own_is_titled_by_what_is_known_of_it() -> None:
    data = PolynomialPINN(Burgers(NU), scope="neuron").figure_data()["burgers"]
    assert isinstance(data, SpaceTimeData)
    assert data.title is not None
    assert data.title.startswith("relative L2 error ")
    assert "slopes" not in data.title


def test_figure_data_has_the_residual_points_on_request() -> None:
    model, samples = small_pinn(), burgers_data(num_residual=20)
    quiet_trainer(max_epochs=1).fit(model, datamodule=samples)
    without, data = model.figure_data()["burgers"], model.figure_data(training_points=True)["burgers"]
    assert isinstance(without, SpaceTimeData)
    assert isinstance(data, SpaceTimeData)
    assert without.points is None
    assert data.points is not None
    np.testing.assert_allclose(data.points, samples.residual_points(), rtol=1e-6)


class Plane(PDE):
    """Two coordinates of space, or three."""

    coordinates: ClassVar[tuple[str, ...]] = ("x", "y")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys("xyz", (0.0, 1.0))

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("x", "x") + u.d("y", "y")

    def conditions(self) -> Sequence[Dirichlet]:
        return ()


class Space(Plane):
    coordinates: ClassVar[tuple[str, ...]] = ("x", "y", "z")


def test_figure_data_names_the_problems_own_coordinates() -> None:
    data = PINN(Plane(), width=4, depth=1).figure_data()["plane"]
    assert isinstance(data, PlaneData)
    assert tuple(data.coordinates) == ("x", "y")


def test_three_coordinates_are_drawn_on_planes() -> None:
    assert isinstance(PINN(Space(), width=4, depth=1).figure_data()["space"], SliceData)
