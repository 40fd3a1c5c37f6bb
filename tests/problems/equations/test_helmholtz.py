from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from laaf_lightning.derivatives import AutogradField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Helmholtz


@pytest.mark.parametrize(("wavenumber", "modes"), [(1.0, (1, 4)), (3.0, (2, 1))])
def test_exact_solution_equals_the_only_one_of_the_discrete_equation(wavenumber: float, modes: tuple[int, int]) -> None:
    problem, count = Helmholtz(wavenumber, modes), 300
    nodes = np.linspace(-1, 1, count + 1)[1:-1]
    u_xx = (np.eye(count - 1, k=1) + np.eye(count - 1, k=-1) - 2 * np.eye(count - 1)) * (count / 2) ** 2
    values, vectors = np.linalg.eigh(u_xx)
    x, y = np.meshgrid(nodes, nodes, indexing="ij")
    a, b = modes
    source = (wavenumber**2 - (a**2 + b**2) * math.pi**2) * np.sin(a * math.pi * x) * np.sin(b * math.pi * y)
    u = vectors.T @ source @ vectors / (values[:, None] + values + wavenumber**2)
    points = torch.from_numpy(np.stack([x.ravel(), y.ravel()], axis=1))
    expected = (vectors @ u @ vectors.T).ravel()
    np.testing.assert_allclose(problem.exact(points).numpy()[:, 0], expected, rtol=0, atol=2e-3)


def test_residual_is_the_papers_for_a_polynomial() -> None:
    problem, points = Helmholtz(wavenumber=2.0), torch.tensor([[0.3, 0.1]], dtype=torch.float64)
    # u = x²y³: u_xx + u_yy + k²u − q = 2y³ + 6x²y + 4x²y³ − q
    u = AutogradField(lambda p: p[:, :1] ** 2 * p[:, 1:] ** 3, points, problem.coordinates)
    source = (4 - 17 * math.pi**2) * math.sin(0.3 * math.pi) * math.sin(0.4 * math.pi)
    expected = 2 * 0.1**3 + 6 * 0.09 * 0.1 + 4 * 0.09 * 0.1**3 - source
    assert problem.residual(problem.columns(points), u).item() == pytest.approx(expected, rel=1e-12)


def test_residual_keeps_the_points_precision() -> None:
    problem, points = Helmholtz(), torch.rand(4, 2)
    u = AutogradField(lambda p: p[:, :1] * p[:, 1:], points, problem.coordinates)
    assert problem.residual(problem.columns(points), u).dtype == torch.float32


def test_there_is_a_condition_on_each_side() -> None:
    assert [(condition.name, condition.at) for condition in Helmholtz().conditions()] == [
        ("left", ("x", -1.0)),
        ("right", ("x", 1.0)),
        ("bottom", ("y", -1.0)),
        ("top", ("y", 1.0)),
    ]


def test_hard_conditions_multiply_the_network_by_the_sides_distances() -> None:
    ansatz = Helmholtz(hard_conditions=True).ansatz()
    assert ansatz is not None
    points = torch.tensor([[0.5, -0.2], [1.0, 0.0]], dtype=torch.float64)
    assert ansatz.offset(points).tolist() == [[0.0], [0.0]]
    torch.testing.assert_close(ansatz.factor(points).tolist(), [[0.75 * 0.96], [0.0]], rtol=1e-15, atol=0)


def test_modes_may_be_a_list_as_configs_have_it() -> None:
    modes: Any = [2, 3]
    assert Helmholtz(modes=modes) == Helmholtz(modes=(2, 3))
    assert hash(Helmholtz(modes=modes)) == hash(Helmholtz(modes=(2, 3)))
    assert Helmholtz(modes=(2, 3)) != Helmholtz(modes=(3, 2))


@pytest.mark.parametrize("modes", [(1,), (1, 2, 3), (0, 1), (1, -1), (1, 1.5), ()])
def test_modes_that_are_not_two_whole_numbers_from_one_on_are_refused(modes: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^modes=\(.*\) must be two whole numbers >= 1, so that u = 0 on"):
        Helmholtz(modes=modes)


@pytest.mark.parametrize("wavenumber", [math.inf, math.nan])
def test_wavenumber_that_is_not_finite_is_refused(wavenumber: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"^wavenumber={wavenumber} must be a finite number$"):
        Helmholtz(wavenumber)
