from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.figures import PlaneData, RegressionData, SpaceTimeData
from laaf_lightning.modules.solution_figures import solution_figures
from laaf_lightning.problems import PDE, Condition, Helmholtz


class Grid(PDE):
    """Draws u = Σ columns·weights, column k + 1 times as much for the k-th unknown."""

    def __init__(self, coordinates: str, unknowns: str = "u", known: bool = True) -> None:
        self.coordinates = tuple(coordinates)  # type: ignore[misc]  # of the instance, so that one class serves all
        self.unknowns = tuple(unknowns)  # type: ignore[misc]
        self.known = known

    domain: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys("xyzt", (0.0, 1.0))

    def axes(self) -> dict[str, Tensor]:
        """Give the axes in another order than the coordinates."""
        sizes = {name: torch.linspace(0, 1, 3 + "xyzt".index(name), dtype=torch.float64) for name in self.coordinates}
        return dict(reversed(sizes.items()))

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.value

    def conditions(self) -> Sequence[Condition]:
        return ()

    def exact(self, points: Tensor) -> Tensor | None:
        return self.function(points.double()) if self.known else None

    def function(self, points: Tensor) -> Tensor:
        first = (points * torch.tensor([1.0, 10.0, 100.0])[: points.shape[1]]).sum(dim=1, keepdim=True)
        return torch.cat([(k + 1) * first for k in range(len(self.unknowns))], dim=1)

    def predict(self, points: Tensor) -> Tensor:
        return self.function(points) + 0.5


def test_one_coordinate_gives_a_curve_beside_the_known_one() -> None:
    problem = Grid("x")
    (drawn,) = solution_figures(problem, problem.predict).items()
    assert drawn[0] == "grid"
    assert isinstance(drawn[1], RegressionData)
    x = np.linspace(0, 1, 3)
    np.testing.assert_allclose(drawn[1].x, x)
    assert drawn[1].exact is not None
    np.testing.assert_allclose(drawn[1].exact, x)
    assert isinstance(drawn[1].prediction, np.ndarray)
    np.testing.assert_allclose(drawn[1].prediction, x + 0.5)


def test_one_coordinate_without_a_known_solution_gives_nothing() -> None:
    problem = Grid("x", known=False)
    assert solution_figures(problem, problem.predict) == {}


@pytest.mark.parametrize("known", [True, False])
def test_space_and_time_have_time_along_the_rows(known: bool) -> None:
    problem = Grid("xt", known=known)
    drawn = solution_figures(problem, problem.predict)["grid"]
    assert isinstance(drawn, SpaceTimeData)
    x, t = np.linspace(0, 1, 3), np.linspace(0, 1, 6)
    np.testing.assert_allclose(drawn.x, x)
    np.testing.assert_allclose(drawn.t, t)
    np.testing.assert_allclose(drawn.prediction, x + 10 * t[:, None] + 0.5)
    assert drawn.coordinates == ("x", "t")
    if known:
        assert drawn.exact is not None
        np.testing.assert_allclose(drawn.exact, x + 10 * t[:, None])
    else:
        assert drawn.exact is None


@pytest.mark.parametrize("coordinates", ["xy", "zy"])
def test_two_coordinates_of_space_give_a_plane(coordinates: str) -> None:
    problem = Grid(coordinates)
    drawn = solution_figures(problem, problem.predict)["grid"]
    assert isinstance(drawn, PlaneData)
    first, second = (np.linspace(0, 1, 3 + "xyzt".index(name)) for name in coordinates)
    np.testing.assert_allclose(drawn.x, first)
    np.testing.assert_allclose(drawn.y, second)
    np.testing.assert_allclose(drawn.prediction, first + 10 * second[:, None] + 0.5)
    assert drawn.exact is not None
    np.testing.assert_allclose(drawn.exact, first + 10 * second[:, None])
    assert drawn.coordinates == tuple(coordinates)


def test_several_unknowns_are_drawn_each_under_its_name() -> None:
    problem = Grid("xy", "vw")
    drawn = solution_figures(problem, problem.predict)
    assert set(drawn) == {"grid_v", "grid_w"}
    x, y = np.linspace(0, 1, 3), np.linspace(0, 1, 4)
    for factor, name in enumerate(drawn, start=1):
        data = drawn[name]
        assert isinstance(data, PlaneData)
        np.testing.assert_allclose(data.prediction, factor * (x + 10 * y[:, None]) + 0.5)


def test_three_coordinates_give_nothing_and_predict_nothing() -> None:
    def predict(points: Tensor) -> Tensor:
        raise AssertionError("asked for the prediction")

    assert solution_figures(Grid("xyz"), predict) == {}


def test_helmholtz_is_a_plane_of_the_exact_solution() -> None:
    problem = Helmholtz()
    drawn = solution_figures(problem, problem.exact)["helmholtz"]
    assert isinstance(drawn, PlaneData)
    x = np.linspace(-1, 1, 101)
    np.testing.assert_allclose(drawn.prediction, np.sin(np.pi * x) * np.sin(4 * np.pi * x[:, None]), atol=1e-13)
