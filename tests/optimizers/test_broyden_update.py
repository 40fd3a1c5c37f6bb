"""The updates against SciPy's BFGS, the Hessian's own form of the family, and the secant condition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, rosen, rosen_der
from torch import Tensor

from laaf_lightning.optimizers.broyden_update import Method, Scaling, choose_scaling, update_inverse_hessian

METHODS: tuple[Method, ...] = ("ssbroyden", "ssbfgs", "bfgs")


def _pair(seed: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Make H, s and y with a curvature that is positive beyond rounding."""
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(size, size, generator=generator, dtype=torch.float64)
    s, y = torch.randn(2, size, generator=generator, dtype=torch.float64)
    assume(abs(torch.dot(s, y).item()) > 1e-2 * (s.norm() * y.norm()).item())
    H = factor @ factor.T + 0.1 * torch.eye(size, dtype=torch.float64)
    return H, s, y if torch.dot(s, y) > 0 else -y


def _ratios(H: Tensor, s: Tensor, y: Tensor) -> tuple[float, float]:
    ys = torch.dot(y, s)
    return (torch.dot(s, torch.linalg.solve(H, s)) / ys).item(), (torch.dot(y, H @ y) / ys).item()


def test_bfgs_updates_reproduce_scipys_inverse_hessian_from_its_own_steps() -> None:
    start = np.array([-1.2, 1.0, 0.5, -0.3, 2.0])
    path = [start]
    result = minimize(rosen, start, jac=rosen_der, method="BFGS", callback=lambda x: path.append(x.copy()))
    H = torch.eye(5, dtype=torch.float64)
    for before, after in pairwise(path[:-1]):
        s, y = torch.tensor(after - before), torch.tensor(rosen_der(after) - rosen_der(before))
        update_inverse_hessian(H, s, y, H @ y, choose_scaling("bfgs", 1.0, 1.0, 5))
    assert len(path) > 20
    np.testing.assert_allclose(H.numpy(), np.asarray(result.hess_inv), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("first", [False, True])
@settings(deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 8))
def test_the_updated_matrix_maps_y_to_s_and_stays_positive_definite(
    method: Method, first: bool, seed: int, size: int
) -> None:
    H, s, y = _pair(seed, size)
    update_inverse_hessian(H, s, y, H @ y, choose_scaling(method, *_ratios(H, s, y), size, first=first))
    scale = H.abs().max().item() * y.abs().max().item()
    torch.testing.assert_close(H @ y, s, rtol=1e-7, atol=1e-9 * max(scale, 1.0))
    torch.testing.assert_close(H, H.T, rtol=1e-9, atol=1e-12 * scale)
    assert torch.linalg.eigvalsh(H).min() > 0


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 8))
def test_phi_and_tau_are_the_inverse_form_of_al_baalis_theta_and_tau(seed: int, size: int) -> None:
    H, s, y = _pair(seed, size)
    b, h = _ratios(H, s, y)
    tau, phi = choose_scaling("ssbroyden", b, h, size)
    a = b * h - 1
    theta = (1 - phi) / (1 + a * phi)  # φ = (1 − θ)/(1 + aθ) is its own inverse
    B = torch.linalg.inv(H)
    Bs, ys = B @ s, torch.dot(y, s)
    sBs = torch.dot(s, Bs)
    w = y / ys - Bs / sBs
    hessian = tau * (B - torch.outer(Bs, Bs) / sBs + theta * sBs * torch.outer(w, w)) + torch.outer(y, y) / ys
    update_inverse_hessian(H, s, y, H @ y, Scaling(tau, phi))
    identity = torch.eye(size, dtype=torch.float64)
    torch.testing.assert_close(H @ hessian, identity, rtol=0, atol=1e-6 * torch.linalg.cond(hessian).item() ** 0.5)


@pytest.mark.parametrize(
    ("b", "h", "size", "theta", "tau"),
    [
        # Worked by hand. b = h = 2: a = 3, ρ = min(1, 2(1 − √0.75)) = 0.267949, θ⁻ = −0.244017, (1 − b)/b = −0.5.
        (2.0, 2.0, 3, -0.2440169358562925, 0.2679491924311227),
        # b = 0.5, h = 4: a = 1, c = √0.5, ρ = 1, θ = min(1, 1) = 1; σ = 2, n = 2: τ = min(1/2, 1) = 0.5.
        (0.5, 4.0, 2, 1.0, 0.5),
        # b = 0.8, h = 2.5: a = 1, ρ = 0.732233, θ = min(1.365685, 0.25); σ = 1.25, n = 3: τ = 1/√1.25.
        (0.8, 2.5, 3, 0.25, 0.8944271909999159),
    ],
)
def test_scaling_by_hand(b: float, h: float, size: int, theta: float, tau: float) -> None:
    scaling = choose_scaling("ssbroyden", b, h, size)
    assert scaling.tau == pytest.approx(tau, rel=1e-12)
    assert scaling.phi == pytest.approx((1 - theta) / (1 + (b * h - 1) * theta), rel=1e-12)


def test_an_aligned_step_and_a_single_parameter_need_no_special_care() -> None:
    assert choose_scaling("ssbroyden", b=0.5, h=2.0, size=1) == Scaling(tau=1.0, phi=1.0)
    assert choose_scaling("ssbroyden", b=0.5, h=2.0 - 1e-16, size=3) == Scaling(tau=1.0, phi=1.0)
