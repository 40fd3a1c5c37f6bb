from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import AutogradField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PoissonDisc, PoissonL
from laaf_lightning.problems.equations import poisson

ORIGIN = torch.zeros(1, 2, dtype=torch.float64)
BISECTOR = torch.tensor([[-1.0, -1.0]], dtype=torch.float64) / math.sqrt(2)


def on_boundary(count: int) -> Tensor:
    return PoissonL().geometry.sample_boundary(count, "sobol", seed=3).points


def test_reference_on_the_l_vanishes_on_the_boundary_to_1e_12() -> None:
    corners = torch.tensor([(0, 0), (0, 1), (-1, 1), (-1, -1), (1, -1), (1, 0)], dtype=torch.float64)
    points = torch.cat([on_boundary(5000), corners])
    assert PoissonL().exact(points).abs().max() < 1e-12


def test_reference_on_the_l_is_symmetric() -> None:
    points = PoissonL().geometry.sample_interior(500, seed=0)
    torch.testing.assert_close(PoissonL().exact(points), PoissonL().exact(points.flip(1)), rtol=0, atol=1e-13)


def test_integral_over_the_l_is_the_square_of_its_energy_norm_in_the_literature() -> None:
    # Gauss's rule on each of three squares, with points that are crowded at the origin.
    nodes, weights = np.polynomial.legendre.leggauss(40)
    at = torch.from_numpy((nodes + 1) / 2)
    along, weight = at**4, torch.from_numpy(weights) / 2 * 4 * at**3
    square, area = torch.cartesian_prod(along, along), torch.cartesian_prod(weight, weight).prod(dim=1)
    parts = [PoissonL().exact(square * torch.tensor(signs))[:, 0] @ area for signs in ((-1, -1), (-1, 1), (1, -1))]
    assert torch.stack(parts).sum().item() == pytest.approx(0.214075802220546, abs=2e-9)


def test_reference_on_the_l_does_not_change_with_more_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    points = PoissonL().geometry.sample_interior(200, seed=0)
    before = PoissonL().exact(points)
    monkeypatch.setattr(poisson, "_WEDGE_FUNCTIONS", 50)
    monkeypatch.setattr(poisson, "_HIGHEST_POWER", 6)
    monkeypatch.setattr(poisson, "_coefficients", poisson._coefficients.__wrapped__)
    torch.testing.assert_close(PoissonL().exact(points), before, rtol=0, atol=1e-12)
    monkeypatch.setattr(poisson, "_WEDGE_FUNCTIONS", 20)
    assert (PoissonL().exact(points) - before).abs().max() > 1e-13


def test_u_grows_from_the_re_entrant_corner_as_the_cubic_root_of_the_square() -> None:
    near, nearer = (PoissonL().exact(radius * BISECTOR).item() for radius in (8e-6, 1e-6))
    assert near / nearer == pytest.approx(4.0, rel=1e-5)


def test_hard_condition_takes_the_singularity_at_the_origin_away_from_the_network() -> None:
    problem = PoissonL(hard_conditions=True)
    ansatz = problem.ansatz()
    assert ansatz is not None
    assert ansatz.offset(problem.grid()).isfinite().all()
    points = problem.geometry.sample_interior(100, seed=0)
    outside = (1 - points**2).prod(dim=1, keepdim=True)
    torch.testing.assert_close(ansatz.offset(points), outside * poisson._particular(points), rtol=0, atol=1e-14)
    # N − N(0) falls as r^(4/3), by 16 for an eighth of r.
    points = torch.tensor([[8e-4], [1e-4], [1e-6]], dtype=torch.float64) * BISECTOR
    far, near, at = ((problem.exact(points) - ansatz.offset(points)) / ansatz.factor(points))[:, 0].tolist()
    assert (far - at) / (near - at) == pytest.approx(16, rel=0.1)


def test_residual_of_a_polynomial_on_the_l() -> None:
    points = torch.tensor([[-0.3, 0.4]], dtype=torch.float64)
    u = AutogradField(lambda p: p[:, :1] ** 2 * p[:, 1:] + p[:, 1:] ** 3, points, ("x", "y"))
    assert PoissonL().residual(PoissonL().columns(points), u).item() == pytest.approx(8 * 0.4 + 1, rel=1e-12)


def test_on_the_disc_halves_of_the_rim_have_values_and_outward_flux() -> None:
    value, flux = PoissonDisc(3.0).conditions()
    left, right = (condition.draw(PoissonDisc().geometry, 200) for condition in (value, flux))
    assert (left.points[:, 0] <= 0).all()
    assert (right.points[:, 0] > 0).all()
    torch.testing.assert_close(right.normals, right.points)
    ahead, behind = (PoissonDisc(3.0).exact(right.points * (1 + step)) for step in (1e-5, -1e-5))
    torch.testing.assert_close(flux.target(right.points), (ahead - behind) / 2e-5, rtol=0, atol=1e-7)


def test_source_on_the_disc_at_its_centre() -> None:
    x = PoissonDisc(3.0).columns(ORIGIN)
    assert PoissonDisc(3.0).residual(x, AutogradField(lambda p: 0 * p[:, :1], ORIGIN, ("x", "y"))).item() == 8.0


@pytest.mark.parametrize("wavenumber", [math.inf, math.nan])
def test_a_wave_number_that_is_none_is_refused(wavenumber: float) -> None:
    with pytest.raises(ConfigurationError, match=r"^wavenumber=.* must be a finite number"):
        PoissonDisc(wavenumber)
