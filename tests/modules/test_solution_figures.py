from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytorch_lightning import Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from laaf_lightning.activations import AdaptiveActivation, Scope
from laaf_lightning.activations.scopes import SCOPES
from laaf_lightning.derivatives import Field
from laaf_lightning.figures import PlaneData, RegressionData, RunFacts, ScatteredData, SliceData, SpaceTimeData
from laaf_lightning.models import MLP
from laaf_lightning.modules.solution_figures import run_facts, solution_figures, training_inputs
from laaf_lightning.problems import PDE, Condition, Disc, Helmholtz, OverTime
from tests.modules.small import Batches, burgers_data, regression_data, small_pinn, small_regressor
from tests.trainers import quiet_trainer


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
        first = (points * torch.tensor([1.0, 10.0, 100.0, 1000.0])[: points.shape[1]]).sum(dim=1, keepdim=True)
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


def test_one_coordinate_without_a_known_solution_gives_the_prediction_over_its_own_name() -> None:
    problem = Grid("t", known=False)
    drawn = solution_figures(problem, problem.predict)["grid"]
    assert isinstance(drawn, RegressionData)
    assert (drawn.exact, drawn.coordinate) == (None, "t")
    assert isinstance(drawn.prediction, np.ndarray)
    np.testing.assert_allclose(drawn.prediction, np.linspace(0, 1, 6) + 0.5)
    assert sorted(drawn.figures()) == ["solution", "spectrum"]


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


@pytest.mark.parametrize(
    ("coordinates", "plane", "at"),
    [
        ("xyz", ("x", "y"), [{"z": 0.25}, {"z": 0.5}, {"z": 0.75}]),
        ("xyt", ("x", "y"), [{"t": 0.2}, {"t": 0.4}, {"t": 0.8}]),
        ("tyx", ("y", "x"), [{"t": 0.2}, {"t": 0.4}, {"t": 0.8}]),
        ("xyzt", ("x", "y"), [{"t": time, "z": 0.5} for time in (0.2, 0.4, 0.8)]),
    ],
)
def test_more_coordinates_give_planes_at_three_values_of_time_or_of_the_last(
    coordinates: str, plane: tuple[str, str], at: Sequence[Mapping[str, float]]
) -> None:
    problem = Grid(coordinates, unknowns="uv")
    drawn = solution_figures(problem, problem.predict)
    assert [*drawn] == ["grid_u", "grid_v"]
    data = drawn["grid_v"]
    assert isinstance(data, SliceData)
    assert data.coordinates == plane
    assert [{**each} for each in data.at] == [pytest.approx(each) for each in at]
    assert data.exact is not None
    weight = dict(zip(coordinates, (1.0, 10.0, 100.0, 1000.0), strict=False))
    for number, place in enumerate(at):
        first, second = weight[plane[0]] * data.x, weight[plane[1]] * data.y[:, None]
        u = 2 * (first + second + sum(weight[name] * value for name, value in place.items()))
        np.testing.assert_allclose(data.exact[number], u)
        np.testing.assert_allclose(data.prediction[number], u + 0.5)
    assert sorted(data.figures()) == ["error", "field"]


def test_planes_are_drawn_finely_whatever_the_grid_of_errors_and_outside_stays_open() -> None:
    class Hot(Grid):
        geometry = OverTime(Disc(radius=0.5), (0.0, 1.0))
        domain: ClassVar = {"x": (-0.5, 0.5), "y": (-0.5, 0.5), "t": (0.0, 1.0)}
        axes = PDE.axes

    (data,) = solution_figures(Hot("xyt"), Hot("xyt").predict).values()
    assert isinstance(data, SliceData)
    assert data.prediction.shape == (3, 101, 101)
    outside = data.x**2 + data.y[:, None] ** 2 > 0.25 + 1e-6
    assert all(np.array_equal(np.isnan(plane), outside) for plane in data.prediction)
    assert data.exact is not None
    error = 0.5 / np.sqrt(np.nanmean(data.exact**2))
    assert data.title == f"{RunFacts().title(error)} on these planes"


def own_grid_of(coordinates: str) -> Grid:
    class Scattered(Grid):
        def grid(self) -> Any:
            return np.random.default_rng(0).random((40, len(coordinates)))

    return Scattered(coordinates)


def test_points_of_the_problems_own_are_drawn_as_a_curve_or_as_dots() -> None:
    for coordinates in ("x", "xy", "xyz"):
        problem = own_grid_of(coordinates)
        (data,) = solution_figures(problem, problem.predict).values()
        points = problem.grid()
        u = problem.function(torch.from_numpy(points))[:, 0].numpy()
        if isinstance(data, RegressionData):
            np.testing.assert_array_equal(data.x, np.sort(points[:, 0]))
            assert data.exact is not None
            np.testing.assert_allclose(data.exact, np.sort(u))
        else:
            assert isinstance(data, ScatteredData)
            np.testing.assert_array_equal(data.points, points)
            np.testing.assert_allclose(data.prediction, u + 0.5)
        assert data.figures()


def test_points_of_the_problems_own_that_no_picture_shows_are_passed_over_with_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    problem = own_grid_of("xyzt")
    with caplog.at_level("INFO"):
        assert solution_figures(problem, problem.predict) == {}
    assert "no figures of Scattered: its grid() gives points of its own in 4 coordinates" in caplog.text


def test_a_large_grid_is_drawn_with_as_many_values_as_a_picture_shows() -> None:
    class Fine(Grid):
        def axes(self) -> dict[str, Any]:
            return {name: np.linspace(0, 1, 5001) for name in "xy"}

    largest = 0

    def predict(points: Tensor) -> Tensor:
        nonlocal largest
        largest = max(largest, len(points))
        return Fine("xy").predict(points)

    (data,) = solution_figures(Fine("xy"), predict).values()
    assert isinstance(data, PlaneData)
    assert data.prediction.shape == (1000, 1000)
    assert (data.x[0], data.x[-1]) == (0, 1)
    assert largest == 65_536


def test_an_unknown_that_is_zero_has_an_absolute_error_in_its_title() -> None:
    class Still(Grid):
        def exact(self, points: Tensor) -> float:  # type: ignore[override]
            return 0.0

    (data,) = solution_figures(Still("xy"), lambda points: 0.5 + 0 * points[:, :1]).values()
    assert isinstance(data, PlaneData)
    assert data.title == "root mean square error 5.0e-1"


def test_helmholtz_is_a_plane_of_the_exact_solution() -> None:
    problem = Helmholtz()
    drawn = solution_figures(problem, problem.exact)["helmholtz"]
    assert isinstance(drawn, PlaneData)
    x = np.linspace(-1, 1, 101)
    np.testing.assert_allclose(drawn.prediction, np.sin(np.pi * x) * np.sin(4 * np.pi * x[:, None]), atol=1e-13)


def test_exact_solution_may_be_a_numpy_array() -> None:
    class Numbers(Grid):
        def exact(self, points: Tensor) -> Any:
            return 2 * points[:, 0].numpy()

    problem = Numbers("xt")
    drawn = solution_figures(problem, problem.predict)["numbers"]
    assert isinstance(drawn, SpaceTimeData)
    assert drawn.exact is not None
    np.testing.assert_array_equal(drawn.exact, np.broadcast_to(2 * drawn.x, (6, 3)))


Drawn = RegressionData | SpaceTimeData | PlaneData


@pytest.mark.parametrize("coordinates", ["x", "xt", "xy"])
def test_title_has_the_facts_and_the_error_of_each_unknown(coordinates: str) -> None:
    problem = Grid(coordinates, "vw")
    drawn = solution_figures(problem, problem.predict, RunFacts(step=3, scope="layer"))
    for factor, data in enumerate(drawn.values(), start=1):
        assert isinstance(data, Drawn)
        u = problem.function(problem.grid())[:, 0].numpy() * factor
        difference = (problem.predict(problem.grid()) - problem.function(problem.grid()))[:, 0].numpy()
        error = float(np.linalg.norm(difference) / np.linalg.norm(u))
        assert data.title == RunFacts(step=3, scope="layer").title(error)


def test_title_is_left_out_where_nothing_is_known() -> None:
    problem = Grid("xt", known=False)
    drawn = solution_figures(problem, problem.predict)["grid"]
    assert isinstance(drawn, SpaceTimeData)
    assert drawn.title is None


def test_diverged_prediction_is_drawn_and_its_title_says_nan() -> None:
    problem = Grid("xt")
    drawn = solution_figures(problem, lambda points: problem.predict(points) * torch.nan)["grid"]
    assert isinstance(drawn, SpaceTimeData)
    assert drawn.title == "relative L2 error nan"
    assert sorted(drawn.figures()) == ["error", "field", "slices", "spectrum"]


@pytest.mark.parametrize("coordinates", ["x", "xt", "xy"])
def test_training_points_are_handed_on(coordinates: str) -> None:
    problem, points = Grid(coordinates), np.zeros((3, len(coordinates)))
    drawn = solution_figures(problem, problem.predict, points=points)["grid"]
    assert isinstance(drawn, Drawn)
    assert drawn.points is points


@pytest.mark.parametrize("scope", SCOPES)
def test_facts_name_the_slopes_of_the_network(scope: Scope) -> None:
    assert run_facts(MLP(2, 1, width=4, depth=2, scope=scope, n=5), None) == RunFacts(scope=scope, n=5.0)


def test_facts_leave_out_slopes_that_differ_or_that_there_are_none_of() -> None:
    layer, neuron = (AdaptiveActivation("tanh", scope, n=2, shape=(3,)) for scope in ("channel", "neuron"))
    assert run_facts(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), None) == RunFacts()
    assert run_facts(nn.Sequential(layer, neuron), None) == RunFacts(n=2.0)
    assert run_facts(nn.Sequential(layer, AdaptiveActivation("tanh", "channel", n=3, shape=(3,))), None) == RunFacts(
        scope="channel"
    )


def test_facts_know_the_step_after_a_fit_and_not_that_of_a_checkpoint(tmp_path: Path) -> None:
    model, trainer = small_regressor(), quiet_trainer(max_epochs=1)
    assert run_facts(model.network, trainer).step is None
    trainer.fit(model, datamodule=regression_data(steps_per_epoch=5))
    assert run_facts(model.network, trainer).step == 5
    trainer.validate(model, datamodule=regression_data(), verbose=False)
    assert run_facts(model.network, trainer).step == 5
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    path = str(tmp_path / "last.ckpt")
    for tester in (trainer, quiet_trainer()):
        tester.test(model, datamodule=regression_data(), ckpt_path=path, weights_only=True, verbose=False)
        assert run_facts(model.network, tester).step is None


def test_training_inputs_are_the_points_of_the_moment() -> None:
    model, data = small_pinn(), burgers_data(num_residual=30, batch_size=10)
    trainer = quiet_trainer(max_epochs=1)
    assert training_inputs(None, 2) is training_inputs(trainer, 2) is None
    trainer.fit(model, datamodule=data)

    def inputs() -> NDArray[Any]:
        points = training_inputs(trainer, 2)
        assert points is not None
        return points

    np.testing.assert_allclose(inputs(), data.residual_points(), rtol=1e-6)
    moved = 0.5 * data.residual_points()
    data.set_residual_points(moved)
    np.testing.assert_allclose(inputs(), moved, rtol=1e-6)
    assert training_inputs(trainer, 1) is None


def test_training_inputs_are_those_of_a_tensor_dataset_and_of_no_other_loader() -> None:
    x = torch.linspace(-1, 1, 6, dtype=torch.float64).unsqueeze(1)
    known = []
    for loader in (DataLoader(TensorDataset(x.float(), x.float()), 2), Batches([(x, x)]), DataLoader([1, 2]), x):  # type: ignore[arg-type]
        trainer = cast(
            "Trainer", SimpleNamespace(train_dataloader=loader)
        )  # a real one warns where there are many CPUs
        known.append(training_inputs(trainer, 1))
    of_the_dataset, *of_others = known
    assert of_the_dataset is not None
    np.testing.assert_allclose(of_the_dataset, x, rtol=1e-6)
    assert of_others == [None, None, None]
