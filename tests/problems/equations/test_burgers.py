from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import roots_hermite

from laaf_lightning.derivatives import AutogradField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Burgers

PAPER = 0.01 / math.pi
Floats = npt.NDArray[np.float64]


def exact(viscosity: float, x: Floats, t: float | Floats) -> Floats:
    points = np.stack(np.broadcast_arrays(x, t), axis=1)
    u: Floats = Burgers(viscosity).exact(torch.from_numpy(points)).numpy()[:, 0]
    return u


def gauss_hermite(viscosity: float, x: Floats, t: float, count: int) -> Floats:
    nodes, weights = roots_hermite(count)
    keep = weights > 0
    y = math.pi * (x[:, None] - math.sqrt(4 * viscosity * t) * nodes[keep])
    exponent = -np.cos(y) / (2 * math.pi * viscosity) + np.log(weights[keep])
    mass = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    u: Floats = -(np.sin(y) * mass).sum(axis=1) / mass.sum(axis=1)
    return u


def spectral(viscosity: float, time: float, modes: int, steps: int) -> tuple[Floats, Floats]:
    """Solve the equation itself: Fourier in x, the linear part exactly, Runge–Kutta of order 4 in t."""
    x = -1 + 2 * np.arange(modes) / modes
    wave_numbers = math.pi * np.arange(modes // 2 + 1)
    kept = np.arange(modes // 2 + 1) < modes / 3
    dt = time / steps
    half = np.exp(-viscosity * wave_numbers**2 * dt / 2)

    def slope(transformed: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
        u = np.fft.irfft(transformed, modes)
        advection: npt.NDArray[np.complex128] = -0.5j * wave_numbers * np.fft.rfft(u * u) * kept
        return advection

    v = np.fft.rfft(-np.sin(math.pi * x))
    for _ in range(steps):
        a = slope(v)
        b = slope(half * (v + dt / 2 * a))
        c = slope(half * v + dt / 2 * b)
        d = slope(half**2 * v + dt * half * c)
        v = half**2 * v + dt / 6 * (half**2 * a + 2 * half * (b + c) + d)
    return x, np.fft.irfft(v, modes)


def hopf_cole(viscosity: float, x: float, t: float) -> float:
    """Integrate adaptively over the interval that holds the mass."""
    reach = t + 7 * math.sqrt(4 * viscosity * t)
    y = np.linspace(x - reach, x + reach, 100_001)
    largest = np.max(-np.cos(math.pi * y) / (2 * math.pi * viscosity) - (x - y) ** 2 / (4 * viscosity * t))

    def mass(y: float) -> float:
        exponent = -math.cos(math.pi * y) / (2 * math.pi * viscosity) - (x - y) ** 2 / (4 * viscosity * t)
        return math.exp(exponent - largest)

    edges = np.linspace(x - reach, x + reach, 65)
    above = below = 0.0
    for left, right in pairwise(edges):
        above += quad(lambda y: math.sin(math.pi * y) * mass(y), left, right, epsabs=1e-15, epsrel=1e-12)[0]
        below += quad(mass, left, right, epsabs=1e-15, epsrel=1e-12)[0]
    return -above / below


@pytest.mark.parametrize("time", [0.25, 0.5])
def test_exact_solution_equals_a_spectral_solution_of_the_equation(time: float) -> None:
    x, u = spectral(PAPER, time, modes=2048, steps=int(8000 * time))
    np.testing.assert_allclose(exact(PAPER, x, time), u, rtol=0, atol=1e-8)


@pytest.mark.parametrize("count", [128, 400])
@pytest.mark.parametrize("time", [0.01, 0.25, 0.5, 0.75, 0.99])
def test_exact_solution_equals_gauss_hermite_quadrature_at_the_papers_viscosity(time: float, count: int) -> None:
    x = np.concatenate([np.linspace(-1, 1, 256), [-1e-3, 1e-3, 1e-9]])
    np.testing.assert_allclose(exact(PAPER, x, time), gauss_hermite(PAPER, x, time, count), rtol=0, atol=1e-13)


@pytest.mark.parametrize("viscosity", [3.0, 1.0, 0.1, 5e-4, 1e-4, 2e-5])
def test_exact_solution_equals_adaptive_quadrature_at_other_viscosities(viscosity: float) -> None:
    for x in (-0.7, -0.01, 2 * viscosity, 0.4):
        for t in (0.05, 0.5, 1.0):
            u = exact(viscosity, np.array([x]), t).item()
            assert u == pytest.approx(hopf_cole(viscosity, x, t), rel=1e-9, abs=1e-13)


@settings(max_examples=40)
@given(
    viscosity=st.floats(-4.5, 1).map(lambda power: 10**power),
    x=st.floats(-1, 1),
    t=st.one_of(st.floats(0, 1), st.floats(-320, 0).map(lambda power: 10**power)),
)
def test_exact_solution_is_finite_odd_and_within_the_initial_values_bounds(
    viscosity: float, x: float, t: float
) -> None:
    right, left, centre = exact(viscosity, np.array([x, -x, 0.0]), t)
    assert math.isfinite(right)
    assert right == pytest.approx(-left, rel=1e-9, abs=1e-11)
    assert centre == pytest.approx(0, abs=1e-11)
    assert abs(right) <= 1 + 1e-12
    assert right * x <= 1e-11


def test_exact_solution_at_time_zero_is_the_initial_value_and_is_approached_from_above() -> None:
    x = np.linspace(-1, 1, 101)
    np.testing.assert_array_equal(exact(PAPER, x, 0.0), -np.sin(math.pi * x))
    for t in (5e-324, 1e-300, 1e-30, 1e-12):
        np.testing.assert_allclose(exact(PAPER, x, t), -np.sin(math.pi * x), rtol=0, atol=1e-10)


def test_a_point_has_the_same_solution_alone_and_among_many() -> None:
    problem = Burgers()
    grid = problem.grid()
    whole = problem.exact(grid)
    some = torch.arange(0, len(grid), 997)
    alone = torch.cat([problem.exact(grid[i : i + 1]) for i in some])
    torch.testing.assert_close(whole[some], alone, rtol=0, atol=1e-14)
    assert whole.shape == (25_600, 1)


def test_errors_are_measured_on_the_papers_grid() -> None:
    axes = Burgers().axes()
    np.testing.assert_allclose(axes["x"].numpy(), np.linspace(-1, 1, 256), rtol=0, atol=1e-15)
    assert axes["t"].tolist() == [k / 100 for k in range(100)]


def test_residual_weighs_diffusion_with_the_viscosity() -> None:
    points = torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    problem = Burgers(0.5)
    # u = x²t: u_t + u·u_x − ν·u_xx = x² + 2x³t² − 2νt
    u = AutogradField(lambda p: p[:, :1] ** 2 * p[:, 1:], points, problem.coordinates)
    expected = 0.3**2 + 2 * 0.3**3 * 0.4**2 - 2 * 0.5 * 0.4
    assert problem.residual(problem.columns(points), u).item() == pytest.approx(expected, rel=1e-12)


def test_hard_conditions_are_the_initial_value_and_a_factor_that_vanishes_where_u_is_known() -> None:
    ansatz = Burgers(hard_conditions=True).ansatz()
    assert ansatz is not None
    points = torch.tensor([[0.5, 0.4], [-0.2, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(
        ansatz.offset(points).flatten().tolist(), [-1.0, math.sin(0.2 * math.pi)], rtol=0, atol=1e-15
    )
    torch.testing.assert_close(ansatz.factor(points).flatten().tolist(), [0.4 * 0.75, 0.96], rtol=0, atol=1e-15)


def test_is_immutable_and_equal_by_viscosity_and_kind_of_conditions() -> None:
    problem = Burgers(0.1)
    with pytest.raises(FrozenInstanceError):
        problem.viscosity = 0.2  # type: ignore[misc]
    assert problem == Burgers(0.1)
    assert problem != Burgers(0.2)
    assert hash(problem) == hash(Burgers(0.1))
    assert problem != Burgers(0.1, hard_conditions=True)
    assert repr(problem) == "Burgers(viscosity=0.1, hard_conditions=False)"


@pytest.mark.parametrize("viscosity", [0.0, -1.0, math.inf, math.nan])
def test_viscosity_that_is_not_a_positive_number_is_refused(viscosity: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"viscosity={viscosity} must be a finite number > 0; the paper's"):
        Burgers(viscosity)
