from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from laaf_lightning.data import CollocationBatch, CollocationDataModule
from laaf_lightning.derivatives import AutogradField, Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import Burgers
from tests.modules.small import PolynomialPINN, Reaction, burgers_data, small_pinn
from tests.modules.test_pde_module import Space
from tests.solutions.equations import EQUATIONS, RESIDUAL_POINTS, assert_same, pinn_of, points_of
from tests.trainers import quiet_trainer

NU = 0.25


def batch(points: int = 7, conditions: int = 5) -> CollocationBatch:
    generator = torch.Generator().manual_seed(3)
    draws = [torch.rand(count, 2, dtype=torch.float64, generator=generator) for count in (points, conditions)]
    return CollocationBatch(draws[0], draws[1], torch.sin(5 * draws[1].sum(dim=1, keepdim=True)))


def polynomial_residual(points: Tensor) -> np.ndarray[Any, Any]:
    """u_t + u·u_x − ν·u_xx of u = x²t."""
    x, t = points.double().numpy().T
    result: np.ndarray[Any, Any] = (x**2 + x**2 * t * 2 * x * t - NU * 2 * t)[:, None]
    return result


def best_constant(model: PINN, sample: CollocationBatch) -> float:
    loss = model.constant_network_loss(sample)
    assert loss is not None
    return loss.item()


def test_residual_of_a_known_function_is_the_closed_form() -> None:
    model = PolynomialPINN(Burgers(NU)).double()
    points = batch().residual_points
    np.testing.assert_allclose(model.residual(points).detach().numpy(), polynomial_residual(points), rtol=1e-12)


def test_residual_of_the_network_agrees_with_finite_differences() -> None:
    model = small_pinn(viscosity=NU, scope="neuron").double()
    points, h = batch().residual_points, 1e-4
    dx, dt = torch.tensor([[h, 0.0], [0.0, h]], dtype=torch.float64)
    with torch.no_grad():
        u_t = (model(points + dt) - model(points - dt)) / (2 * h)
        u_x = (model(points + dx) - model(points - dx)) / (2 * h)
        u_xx = (model(points + dx) - 2 * model(points) + model(points - dx)) / h**2
        expected = u_t + model(points) * u_x - NU * u_xx
    torch.testing.assert_close(model.residual(points).detach(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", EQUATIONS)
def test_terms_of_the_loss_are_means_over_points_and_conditions_gone_through_one_by_one(name: str) -> None:
    model, sample = pinn_of(EQUATIONS[name]), points_of(EQUATIONS[name])
    problem = model.problem

    def field(points: Tensor) -> AutogradField:
        return AutogradField(model.forward, points, problem.coordinates, problem.unknowns)

    misfits, start = [torch.zeros(0, 1).double()], 0
    for condition_name, count in sample.condition_counts.items():
        condition, at = problem.condition(condition_name), sample.condition_points[start : start + count]
        partners = condition.partners(at, problem.coordinates)
        told = condition.operator(field(at), None if partners is None else field(partners))
        misfits.append(told - condition.target(at))
        start += count
    squares = torch.cat(misfits).square()
    residual = problem.residual(
        problem.columns(sample.residual_points), field(sample.residual_points), **model.coefficients
    )
    assert start == len(sample.condition_values)
    expected = {
        "residual": residual.square().sum() / RESIDUAL_POINTS,
        "data": squares.sum() / max(1, len(squares)),
    }
    assert_same(model.loss_terms(sample), expected)


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 10), st.floats(0, 10))
def test_loss_is_the_weighted_sum_of_both_mean_squares(weight_residual: float, weight_data: float) -> None:
    model = PolynomialPINN(Burgers(NU), weight_residual=weight_residual, weight_data=weight_data).double()
    sample = batch()
    x, t = sample.condition_points.numpy().T
    misfit = (x**2 * t)[:, None] - sample.condition_values.numpy()
    expected = weight_residual * np.mean(polynomial_residual(sample.residual_points) ** 2)
    expected += weight_data * np.mean(misfit**2)
    assert model.loss(sample).item() == pytest.approx(expected, rel=1e-12)


def test_both_parts_of_the_loss_are_logged() -> None:
    model = PolynomialPINN(Burgers(NU), weight_residual=3.0, weight_data=0.5)
    trainer = quiet_trainer(max_steps=1, limit_val_batches=0)
    trainer.fit(model, datamodule=burgers_data(viscosity=NU))
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    total = 3 * logged["train/mse_residual"] + 0.5 * logged["train/mse_data"]
    assert logged["train/loss"] == pytest.approx(total, rel=1e-6)
    sample = burgers_data(viscosity=NU).train_dataloader().batch
    assert logged["train/mse_residual"] == pytest.approx(
        np.mean(polynomial_residual(sample.residual_points) ** 2), rel=1e-5
    )


def test_loss_can_be_asked_for_after_fit() -> None:
    model, data = small_pinn(), burgers_data()
    quiet_trainer(max_steps=2, limit_val_batches=0).fit(model, datamodule=data)
    assert math.isfinite(model.loss(data.train_dataloader().batch).item())


@pytest.mark.parametrize("weight_data", [1.0, 2.5])
def test_best_constant_for_burgers_is_the_mean_of_the_conditions(weight_data: float) -> None:
    sample = batch()
    expected = weight_data * np.var(sample.condition_values.numpy())
    model = small_pinn(weight_data=weight_data, weight_residual=7.0)
    assert best_constant(model, sample) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("weight_residual", [0.0, 0.1, 1.0, 50.0])
@pytest.mark.parametrize("shift", [-0.8, 0.0, 0.4])
def test_best_constant_is_found_where_the_residual_depends_on_it(weight_residual: float, shift: float) -> None:
    sample = batch()
    sample = sample._replace(condition_values=sample.condition_values + shift)
    c = torch.linspace(-3, 3, 600_001, dtype=torch.float64)
    data = c**2 - 2 * c * sample.condition_values.mean() + sample.condition_values.square().mean()
    scan = (weight_residual * (c**3 - c) ** 2 + data).min().item()
    model = PINN(Reaction(), width=4, depth=1, weight_residual=weight_residual)
    # The scan's step of 1e-5 leaves it above the minimum by at most half its curvature times the step squared.
    assert scan - 1e-7 < best_constant(model, sample) < scan + 1e-9


class Driven(Reaction):
    """A residual whose backward pass needs the points."""

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return super().residual(x, u) + x["x"] * u


def test_best_constant_can_be_asked_for_in_inference_mode() -> None:
    model = PINN(Driven(), width=4, depth=1)
    with torch.inference_mode():
        value = best_constant(model, batch())
    assert value == pytest.approx(best_constant(model, batch()), rel=1e-12)


def test_data_of_another_problem_are_refused_before_training() -> None:
    model = small_pinn(viscosity=0.1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sentence = (
        r"the model solves Burgers\(viscosity=0.1, .*\), the data hold .* Burgers\(viscosity=0.2, .*\): give both"
    )
    for run in (quiet_trainer(max_steps=1).fit, quiet_trainer().test):
        with pytest.raises(ConfigurationError, match=sentence):
            run(model, datamodule=burgers_data(viscosity=0.2))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_data_of_an_equal_problem_are_accepted() -> None:
    model = PINN(Reaction(0.5), width=4, depth=1)
    data = CollocationDataModule(Reaction(0.5), num_residual=8, num_condition=4, steps_per_epoch=2)
    trainer = quiet_trainer(max_epochs=1, limit_val_batches=0)
    trainer.fit(model, datamodule=data)
    assert trainer.global_step == 2


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"problem": None}, r"PINN needs problem=…, a PDE; .* PINN\.load_from_checkpoint\(path, problem=…\)"),
        ({"weight_residual": -1.0}, r"weight_residual=-1.0 must be finite and >= 0"),
        ({"weight_data": math.nan}, r"weight_data=nan must be finite and >= 0"),
        ({"weight_data": math.inf}, r"weight_data=inf must be finite and >= 0"),
        (
            {"engine": "autgrad"},
            r"unknown engine 'autgrad': valid are auto, autograd, taylor, fused; did you mean 'autograd'\?",
        ),
        ({"chunk_size": 0}, r"chunk_size=0 must be >= 1, or None for all points at once"),
        ({"scope": "neurons"}, r"unknown scope 'neurons': .* did you mean 'neuron'\?"),
        ({"n": 0}, r"n=0 must be a finite number > 0"),
        ({"activation": "tanhh"}, r"unknown activation 'tanhh': .* did you mean 'tanh'\?"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        PINN(**{"problem": Burgers(), **settings})


def test_network_has_one_input_for_each_coordinate() -> None:
    first = next(module for module in PINN(Space(), width=4, depth=1).modules() if isinstance(module, nn.Linear))
    assert first.in_features == 3


def test_prediction_on_the_grid_is_the_network() -> None:
    model = small_pinn()
    (predicted,) = quiet_trainer().predict(model, datamodule=burgers_data()) or []
    with torch.no_grad():
        expected = model(Burgers().grid().float())
    torch.testing.assert_close(torch.as_tensor(predicted), expected)
