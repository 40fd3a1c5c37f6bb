from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from laaf_lightning.derivatives import AutogradField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Burgers, InverseBurgers, PointData
from laaf_lightning.problems.equations.inverse_burgers import _measurements
from tests.problems.finite_differences import FiniteDifferenceField


@pytest.fixture(autouse=True)
def _no_measurements_from_other_tests() -> Iterator[None]:
    _measurements.cache_clear()
    yield
    _measurements.cache_clear()


def measured(problem: InverseBurgers) -> PointData:
    (data,) = problem.conditions()
    assert data.name == "measurements"
    return data


def test_residual_takes_the_learnt_viscosity_and_never_the_true_one() -> None:
    points = torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    for true in (0.01, 0.7):
        problem = InverseBurgers(viscosity=true)
        # u = x²t: u_t + u·u_x − ν·u_xx = x² + 2x³t² − 2νt
        u = AutogradField(lambda p: p[:, :1] ** 2 * p[:, 1:], points, problem.coordinates)
        for learnt in (0.25, 0.5):
            viscosity = torch.tensor(learnt, requires_grad=True)
            residual = problem.residual(problem.columns(points), u, viscosity=viscosity)
            expected = 0.3**2 + 2 * 0.3**3 * 0.4**2 - 2 * learnt * 0.4
            assert residual.item() == pytest.approx(expected, rel=1e-7)
            (gradient,) = torch.autograd.grad(residual.sum(), viscosity)
            assert gradient.item() == pytest.approx(-2 * 0.4, rel=1e-6)


def test_exact_solution_determines_the_true_viscosity() -> None:
    problem = InverseBurgers(viscosity=0.07)
    points = 0.8 * torch.rand(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.1
    u = FiniteDifferenceField(problem.exact, points, problem.coordinates, 2e-3)
    # The residual is linear in ν: least squares over the points.
    without = problem.residual(problem.columns(points), u, viscosity=torch.tensor(0.0))
    per_unit = problem.residual(problem.columns(points), u, viscosity=torch.tensor(1.0)) - without
    assert (-(without * per_unit).sum() / per_unit.square().sum()).item() == pytest.approx(0.07, rel=1e-7)


def test_learning_starts_from_the_first_guess_and_is_measured_against_the_true_viscosity() -> None:
    problem = InverseBurgers(viscosity=0.02, first_guess=0.3)
    assert problem.coefficients() == {"viscosity": 0.3}
    assert problem.true_coefficients() == {"viscosity": 0.02}


def test_exact_solution_and_grid_are_those_of_burgers_without_noise() -> None:
    problem, points = InverseBurgers(0.02, noise=0.5), torch.tensor([[0.3, 0.4], [-0.1, 0.9]], dtype=torch.float64)
    assert torch.equal(problem.exact(points), Burgers(0.02).exact(points))
    assert torch.equal(problem.grid(), Burgers().grid())


def test_measurements_lie_all_over_the_domain() -> None:
    points = measured(InverseBurgers(num_measurements=4000)).points
    assert points.shape == (4000, 2)
    assert points.dtype == torch.float64
    lower, upper = torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 1.0])
    unit = (points - lower) / (upper - lower)
    assert unit.min().item() >= 0
    assert unit.max().item() <= 1
    quarters = torch.bincount((2 * unit).long() @ torch.tensor([2, 1]), minlength=4)
    assert ((quarters - 1000).abs() < 150).all()


def test_measurements_without_noise_are_the_exact_solution() -> None:
    problem = InverseBurgers(noise=0.0, num_measurements=50)
    data = measured(problem)
    torch.testing.assert_close(data.values, problem.exact(data.points), rtol=0, atol=1e-14)


@pytest.mark.parametrize("noise", [0.01, 0.3])
def test_noise_is_gaussian_and_relative_to_the_spread_of_the_data(noise: float) -> None:
    problem = InverseBurgers(0.1, noise=noise, num_measurements=4000)
    data = measured(problem)
    clean = problem.exact(data.points)
    errors = (data.values - clean) / (noise * clean.std())
    assert errors.mean().item() == pytest.approx(0, abs=0.07)
    assert errors.std().item() == pytest.approx(1, abs=0.05)
    assert (errors.abs() < 1).double().mean().item() == pytest.approx(0.6827, abs=0.03)
    assert errors.pow(4).mean().item() == pytest.approx(3, abs=0.4)


def test_noise_leaves_the_points_and_the_seed_moves_them() -> None:
    plain, noisy = (measured(InverseBurgers(noise=noise, num_measurements=20)) for noise in (0.0, 0.1))
    other = measured(InverseBurgers(num_measurements=20, seed=1))
    assert torch.equal(plain.points, noisy.points)
    assert not torch.equal(plain.values, noisy.values)
    assert not torch.isclose(plain.points, other.points).any()


def test_measurements_are_the_seeds_alone_and_leave_the_global_generator() -> None:
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    first = measured(InverseBurgers(num_measurements=20))
    assert torch.equal(torch.random.get_rng_state(), state)
    _measurements.cache_clear()
    torch.manual_seed(4)
    assert torch.equal(measured(InverseBurgers(num_measurements=20)).values, first.values)


def test_measuring_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    exact = Burgers.exact

    def counting(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return exact(*args)

    monkeypatch.setattr(Burgers, "exact", counting)
    for _ in range(3):
        measured(InverseBurgers(num_measurements=20))
        measured(InverseBurgers(num_measurements=20, first_guess=1.0))
    assert calls == 1


def test_changed_measurements_are_the_callers_own() -> None:
    problem = InverseBurgers(num_measurements=20)
    data = measured(problem)
    expected = data.values.clone()
    data.values.zero_()
    data.points.zero_()
    assert torch.equal(measured(problem).values, expected)
    assert measured(problem).points.abs().min().item() > 0


def test_measurements_first_taken_in_inference_mode_can_be_trained_on() -> None:
    problem = InverseBurgers(num_measurements=20)
    with torch.inference_mode():
        measured(problem)
    data = measured(problem)
    weight = torch.ones(2, 1, dtype=torch.float64, requires_grad=True)
    (data.points @ weight - data.values).square().mean().backward()
    assert weight.grad is not None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"viscosity": 0.0}, r"^viscosity=0.0 must be a finite number > 0; the paper's is 0.01/π$"),
        ({"viscosity": math.nan}, r"^viscosity=nan must be a finite number > 0"),
        ({"first_guess": 0.0}, r"^first_guess=0.0 must be a finite number > 0, as the viscosity is$"),
        ({"first_guess": math.inf}, r"^first_guess=inf must be a finite number > 0"),
        ({"noise": -0.1}, r"^noise=-0.1 must be a finite number >= 0; 0.01 is one per cent$"),
        ({"noise": math.nan}, r"^noise=nan must be a finite number >= 0"),
        ({"num_measurements": 1}, r"^num_measurements=1 must be >= 2$"),
        ({"seed": -1}, r"^seed=-1 must be >= 0$"),
    ],
)
def test_values_that_describe_no_measurement_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        InverseBurgers(**values)
