from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laaf_lightning.figures import RegressionData, RunFacts
from laaf_lightning.modules import FunctionRegressor
from tests.modules.small import Batches, regression_data, small_regressor
from tests.trainers import quiet_trainer


def numpy_network(state: dict[str, Any], x: np.ndarray[Any, Any], n: float, depth: int) -> np.ndarray[Any, Any]:
    """The formula σ(n·a·(Wz + b)), layer by layer."""
    array = {name.removeprefix("network."): value.double().numpy() for name, value in state.items()}
    for k in range(depth):
        z = x @ array[f"linears.{k}.weight"].T + array[f"linears.{k}.bias"]
        x = np.tanh(n * array[f"activations.{k}.a"] * z)
    result: np.ndarray[Any, Any] = x @ array[f"linears.{depth}.weight"].T + array[f"linears.{depth}.bias"]
    return result


def test_loss_is_the_mean_squared_error_of_the_formula() -> None:
    model = small_regressor(scope="neuron", init="normal").double()
    x = torch.linspace(-3, 3, 9, dtype=torch.float64).unsqueeze(1)
    u = torch.cos(x)
    prediction = numpy_network(model.state_dict(), x.numpy(), 5, 2)
    assert model.loss((x, u)).item() == pytest.approx(np.mean((prediction - u.numpy()) ** 2), rel=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=2, max_size=8))
def test_constant_network_loss_is_the_smallest_over_constants(values: list[float]) -> None:
    model, u = small_regressor(), torch.tensor(values, dtype=torch.float64).unsqueeze(1)
    scan = torch.linspace(-2, 2, 40_001, dtype=torch.float64)
    smallest = (u - scan).square().mean(dim=0).min().item()
    assert model.constant_network_loss((u, u)).item() == pytest.approx(smallest, abs=1e-8)


def test_constant_network_loss_has_a_constant_for_each_output() -> None:
    u = torch.tensor([[0.0, 10.0], [2.0, 14.0]])
    assert small_regressor(out_features=2).constant_network_loss((u, u)).item() == pytest.approx((1 + 4) / 2)


def test_validation_and_test_log_the_relative_l2_error_over_all_batches() -> None:
    model = small_regressor().double()
    x = torch.linspace(-2, 2, 23, dtype=torch.float64).unsqueeze(1)
    u = torch.sin(x)
    batches = Batches(zip(x.split(8), u.split(8), strict=True))
    with torch.no_grad():
        prediction = model(x).numpy()
    exact = u.numpy()
    expected = np.linalg.norm(prediction - exact) / np.linalg.norm(exact)
    trainer = quiet_trainer()
    assert trainer.validate(model, batches, verbose=False)[0]["val/relative_l2"] == pytest.approx(expected, rel=1e-9)
    assert trainer.test(model, batches, verbose=False)[0]["test/relative_l2"] == pytest.approx(expected, rel=1e-9)


def test_prediction_takes_points_with_or_without_values() -> None:
    model, x = small_regressor(), torch.linspace(-1, 1, 5).unsqueeze(1)
    for batch in (x, (x, torch.zeros_like(x))):
        (predicted,) = quiet_trainer().predict(model, Batches([batch])) or []
        with torch.no_grad():
            assert torch.equal(torch.as_tensor(predicted), model(x))


def test_figure_data_is_the_network_at_the_points_in_rising_order() -> None:
    model = small_regressor()
    x = torch.tensor([[2.0], [-1.0], [0.5], [1.0], [-2.0]])
    u = x**2
    quiet_trainer().validate(model, Batches(zip(x.split(2), u.split(2), strict=True)), verbose=False)
    data = model.figure_data()["regression"]
    assert isinstance(data, RegressionData)
    assert data.x.tolist() == [-2, -1, 0.5, 1, 2]
    assert data.exact is not None
    assert data.exact.tolist() == [4, 1, 0.25, 1, 4]
    assert isinstance(data.prediction, np.ndarray)
    with torch.no_grad():
        expected = model(torch.tensor(data.x, dtype=torch.float32).unsqueeze(1)).flatten().double().numpy()
    np.testing.assert_allclose(data.prediction, expected, rtol=1e-6, atol=1e-7)


def test_figure_data_is_titled_by_step_error_and_slopes() -> None:
    model, trainer = small_regressor(scope="neuron"), quiet_trainer(max_epochs=1)
    trainer.fit(model, datamodule=regression_data(steps_per_epoch=5))
    data = model.figure_data()["regression"]
    assert isinstance(data, RegressionData)
    assert data.exact is not None
    error = float(np.linalg.norm(data.prediction - data.exact) / np.linalg.norm(data.exact))
    assert error == pytest.approx(trainer.callback_metrics["val/relative_l2"].item(), rel=1e-5)
    assert data.title == RunFacts(step=5, scope="neuron", n=5.0).title(error)


def test_figure_data_has_the_training_points_on_request() -> None:
    model, samples = small_regressor(), regression_data(num_points=7)
    quiet_trainer(max_epochs=1).fit(model, datamodule=samples)
    without, data = model.figure_data()["regression"], model.figure_data(training_points=True)["regression"]
    assert isinstance(without, RegressionData)
    assert isinstance(data, RegressionData)
    assert without.points is None
    assert data.points is not None
    np.testing.assert_allclose(data.points, samples.training_points()[0], rtol=1e-6)


def test_figure_data_holds_the_last_evaluation_only() -> None:
    model = small_regressor()
    trainer = quiet_trainer(max_epochs=3)
    trainer.fit(model, datamodule=regression_data(num_test_points=50))
    trainer.validate(model, datamodule=regression_data(num_test_points=30), verbose=False)
    data = model.figure_data()["regression"]
    assert isinstance(data, RegressionData)
    assert len(data.x) == 30
    assert sum(len(part) for part, *_ in model._evaluated) == 30


def test_there_are_no_figures_before_an_evaluation_or_of_several_variables() -> None:
    assert small_regressor().figure_data() == {}
    model = FunctionRegressor(in_features=2, width=4, depth=1)
    x = torch.rand(4, 2)
    quiet_trainer().validate(model, Batches([(x, x[:, :1])]), verbose=False)
    assert model.figure_data() == {}
