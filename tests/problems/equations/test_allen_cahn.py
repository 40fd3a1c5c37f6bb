from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.integrate import quad, solve_ivp
from scipy.sparse import diags_array

from laaf_lightning.derivatives import AutogradField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import AllenCahn, Dirichlet, Periodic
from laaf_lightning.problems.equations.allen_cahn import _amplitudes, _initial_amplitudes, _num_modes

Floats = npt.NDArray[np.float64]
PAPER = AllenCahn()


def at(problem: AllenCahn, x: Floats, t: float) -> Floats:
    points = torch.from_numpy(np.stack([x, np.full_like(x, t)], axis=1))
    u: Floats = problem.exact(points).numpy()[:, 0]
    return u


def by_finite_differences(problem: AllenCahn, cells: int, times: Floats) -> tuple[Floats, Floats]:
    """Solve on the whole periodic interval: second-order differences, BDF in t."""
    x = -1 + 2 * np.arange(cells) / cells
    weights, offsets = [1.0, 1.0, -2.0, 1.0, 1.0], [1 - cells, -1, 0, 1, cells - 1]
    u_xx: Any = diags_array(weights, offsets=offsets, shape=(cells, cells)).tocsr() * (cells / 2) ** 2
    # SciPy's BDF subtracts from rows of memory that it has not written yet, and writes them before it uses them.
    with np.errstate(invalid="ignore", over="ignore"):
        solution = solve_ivp(
            lambda t, u: problem.diffusivity * (u_xx @ u) - problem.reaction * (u**3 - u),
            (0.0, 1.0),
            x**2 * np.cos(math.pi * x),
            method="BDF",
            t_eval=times,
            rtol=1e-7,
            atol=1e-9,
            jac=lambda t, u: problem.diffusivity * u_xx - problem.reaction * diags_array(3 * u**2 - 1, offsets=0),
        )
    assert solution.success
    return x, solution.y


@pytest.mark.parametrize(
    ("problem", "tolerance"), [(PAPER, 5e-4), (AllenCahn(diffusivity=0.01, reaction=2.0), 2e-5)], ids=repr
)
def test_reference_equals_a_finite_difference_solution_that_knows_of_no_symmetry(
    problem: AllenCahn, tolerance: float
) -> None:
    times = np.array([0.02, 0.25, 0.5, 1.0])
    x, u = by_finite_differences(problem, 2000, times)
    for column, time in enumerate(times):
        np.testing.assert_allclose(at(problem, x, time), u[:, column], rtol=0, atol=tolerance)


def test_two_finite_difference_solutions_extrapolate_to_the_reference() -> None:
    times = np.array([0.25, 0.5, 1.0])
    x, coarse = by_finite_differences(PAPER, 1000, times)
    _, fine = by_finite_differences(PAPER, 2000, times)
    for column, time in enumerate(times):
        extrapolated = (4 * fine[::2, column] - coarse[:, column]) / 3
        np.testing.assert_allclose(at(PAPER, x, time), extrapolated, rtol=0, atol=3e-6)


def test_reference_agrees_with_twice_the_modes_and_smaller_time_steps() -> None:
    problem, x = AllenCahn(diffusivity=0.01), np.linspace(-1, 1, 201)
    modes = _num_modes(0.01, 5.0)
    fine = _amplitudes(0.01, 5.0, 2 * modes, tolerance=1e-12)
    cosines = np.cos(math.pi * np.outer(x, np.arange(2 * modes + 1)))
    for time, tolerance in ((0.01, 1e-8), (0.1, 1e-9), (0.5, 1e-11), (1.0, 1e-12)):
        np.testing.assert_allclose(at(problem, x, time), cosines @ fine(np.array(time)), rtol=0, atol=tolerance)


def test_without_reaction_it_is_the_heat_equations_series() -> None:
    problem, x = AllenCahn(diffusivity=0.01, reaction=0.0), np.linspace(-1, 1, 41)
    for time in (0.05, 0.5, 1.0):
        expected = np.zeros_like(x)
        for k in range(60):
            amplitude = quad(lambda s: s**2 * math.cos(math.pi * s), -1, 1, weight="cos", wvar=math.pi * k)[0]
            amplitude *= 0.5 if k == 0 else 1.0
            expected += amplitude * math.exp(-0.01 * (math.pi * k) ** 2 * time) * np.cos(math.pi * k * x)
        np.testing.assert_allclose(at(problem, x, time), expected, rtol=0, atol=1e-9)


def test_initial_amplitudes_are_those_of_the_initial_value() -> None:
    x = np.linspace(-1, 1, 11)
    amplitudes = _initial_amplitudes(np.arange(200_001.0))
    series = np.cos(math.pi * np.outer(x, np.arange(200_001))) @ amplitudes
    np.testing.assert_allclose(series, x**2 * np.cos(math.pi * x), rtol=0, atol=3e-6)


def test_at_time_zero_it_is_the_initial_value_and_approaches_it() -> None:
    x = np.linspace(-1, 1, 1001)
    initial = x**2 * np.cos(math.pi * x)
    np.testing.assert_allclose(at(PAPER, x, 0.0), initial, rtol=0, atol=1e-14)
    for t in (1e-300, 1e-12, 1e-9):
        np.testing.assert_allclose(at(PAPER, x, t), initial, rtol=0, atol=3e-9)
    # The kink of slopes ±2 spreads as √(4Dt/π), times 2.
    assert at(PAPER, np.array([1.0]), 1e-3)[0] == pytest.approx(-1 + 2 * math.sqrt(4e-7 / math.pi), abs=1e-4)


def test_solution_is_even_and_between_the_two_stable_states() -> None:
    x = np.linspace(-1, 1, 401)
    for t in (0.1, 0.5, 1.0):
        u = at(PAPER, x, t)
        np.testing.assert_allclose(u, u[::-1], rtol=0, atol=1e-12)
        assert np.abs(u).max() <= 1 + 1e-12
    assert (at(PAPER, x, 1.0) < -0.99).mean() > 0.3


def test_points_in_any_order_and_of_many_times_have_their_own_values() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(9000, 2, dtype=torch.float64, generator=generator)  # more than are summed at a time
    points[::3, 1] = points[1::3, 1]
    points[::500, 1] = 0.0
    whole = PAPER.exact(points)
    some = torch.arange(0, len(points), 450)
    alone = torch.cat([PAPER.exact(points[i : i + 1]) for i in some])
    torch.testing.assert_close(whole[some], alone, rtol=0, atol=1e-13)


@pytest.mark.parametrize("time", [-1e-9, 1.001, math.nan])
def test_times_that_were_not_integrated_are_refused(time: float) -> None:
    points = torch.tensor([[0.0, 0.5], [0.0, time]])
    with pytest.raises(ConfigurationError, match="reference solution of AllenCahn is known for 0 <= t <= 1: got t fr"):
        PAPER.exact(points)


def test_residual_weighs_diffusion_and_reaction() -> None:
    problem, points = AllenCahn(0.5, 3.0), torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    # u = x²t: u_t − D·u_xx + R·(u³ − u) = x² − 2Dt + R·(x⁶t³ − x²t)
    u = AutogradField(lambda p: p[:, :1] ** 2 * p[:, 1:], points, problem.coordinates)
    expected = 0.3**2 - 2 * 0.5 * 0.4 + 3 * (0.3**6 * 0.4**3 - 0.3**2 * 0.4)
    assert problem.residual(problem.columns(points), u).item() == pytest.approx(expected, rel=1e-12)


def test_value_and_slope_repeat_from_side_to_side() -> None:
    initial, value, slope = PAPER.conditions()
    assert isinstance(initial, Dirichlet)
    assert initial.at == ("t", 0.0)
    assert isinstance(value, Periodic)
    assert isinstance(slope, Periodic)
    assert (value.order, slope.order) == (0, 1)
    assert value.coordinate == slope.coordinate == "x"


def test_errors_are_measured_on_201_by_101_points() -> None:
    axes = PAPER.axes()
    np.testing.assert_allclose(axes["x"].numpy(), np.linspace(-1, 1, 201), rtol=0, atol=1e-15)
    np.testing.assert_allclose(axes["t"].numpy(), np.linspace(0, 1, 101), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "value", "limits"),
    [
        ("diffusivity", 0.0, "between 1e-05 and 1"),
        ("diffusivity", 2.0, "between 1e-05 and 1"),
        ("diffusivity", math.nan, "between 1e-05 and 1"),
        ("reaction", -1.0, "between 0 and 10"),
        ("reaction", math.inf, "between 0 and 10"),
    ],
)
def test_values_that_the_reference_does_not_resolve_are_refused(name: str, value: float, limits: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{name}={value} must be {limits}: the reference solution resolves"):
        replace(AllenCahn(), **{name: value})  # type: ignore[arg-type]


@pytest.mark.slow
def test_problems_load_without_scipy() -> None:
    code = "import sys, laaf_lightning.problems as p; p.AllenCahn().conditions(); print('scipy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "False"
