from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from laaf_lightning.derivatives import AutogradField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Dirichlet, Heat, Neumann


def test_exact_solution_equals_a_finite_volume_solution() -> None:
    alpha, cells = 0.1, 400
    x = (np.arange(cells) + 0.5) / cells
    # Fluxes between cells; u = 0 half a cell left of the first, no flux right of the last.
    step = np.diag(np.full(cells, -2.0)) + np.diag(np.ones(cells - 1), 1) + np.diag(np.ones(cells - 1), -1)
    step[0, 0], step[-1, -1] = -3.0, -1.0
    values, vectors = np.linalg.eigh(alpha * cells**2 * step)
    initial = np.sin(math.pi * x / 2) + np.sin(3 * math.pi * x / 2) / 2
    for t in (0.1, 0.5, 1.0):
        u = vectors @ (np.exp(values * t) * (vectors.T @ initial))
        points = torch.from_numpy(np.stack([x, np.full_like(x, t)], axis=1))
        np.testing.assert_allclose(Heat(alpha).exact(points).numpy()[:, 0], u, rtol=0, atol=2e-5)


def test_solution_falls_to_zero_without_ever_rising_above_its_start() -> None:
    u = Heat().exact(Heat().grid()).reshape(101, 101)
    assert u.min().item() > -1e-15
    assert (u[1:].amax(dim=0).diff() < 0).all()
    assert Heat(diffusivity=50.0).exact(Heat().grid())[-1].item() < 1e-50


def test_residual_weighs_diffusion_with_the_diffusivity() -> None:
    problem, points = Heat(0.5), torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    # u = x²t: u_t − α·u_xx = x² − 2αt
    u = AutogradField(lambda p: p[:, :1] ** 2 * p[:, 1:], points, problem.coordinates)
    assert problem.residual(problem.columns(points), u).item() == pytest.approx(0.09 - 0.4, rel=1e-12)


def test_left_end_is_cold_and_right_end_insulated() -> None:
    initial, left, right = Heat().conditions()
    assert [type(condition) for condition in (initial, left, right)] == [Dirichlet, Dirichlet, Neumann]
    assert [condition.at for condition in (initial, left, right)] == [("t", 0.0), ("x", 0.0), ("x", 1.0)]
    points = torch.tensor([[1 / 3, 0.0]], dtype=torch.float64)
    assert initial.target(points).item() == pytest.approx(0.5 + 0.5)
    assert left.target(points).item() == right.target(points).item() == 0


@pytest.mark.parametrize("diffusivity", [0.0, -1.0, math.inf, math.nan])
def test_diffusivity_that_is_not_a_positive_number_is_refused(diffusivity: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"^diffusivity={diffusivity} must be a finite number > 0$"):
        Heat(diffusivity)
