from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from laaf_lightning.problems import DOMAIN, discontinuous_function


def formula(x: float) -> float:
    return float(0.2 * np.sin(6 * x) if x <= 0 else 1 + 0.1 * x * np.cos(18 * x))


@given(st.floats(*DOMAIN))
def test_equals_the_papers_formula(x: float) -> None:
    u = discontinuous_function(torch.tensor([x], dtype=torch.float64))
    assert u.item() == pytest.approx(formula(x), rel=1e-13, abs=1e-15)


@pytest.mark.parametrize(("x", "u"), [(-1e-300, 0.0), (-0.0, 0.0), (0.0, 0.0), (1e-300, 1.0)])
def test_jumps_by_one_right_after_zero(x: float, u: float) -> None:
    assert discontinuous_function(torch.tensor(x, dtype=torch.float64)).item() == pytest.approx(u, abs=1e-299)


def test_keeps_shape_and_dtype_and_domain() -> None:
    for dtype in (torch.float32, torch.float64):
        u = discontinuous_function(torch.zeros(2, 3, 1, dtype=dtype))
        assert u.shape == (2, 3, 1)
        assert u.dtype == dtype
    assert DOMAIN == (-3.0, 3.0)


def test_gradient_is_the_derivative_on_both_sides() -> None:
    x = torch.tensor([-0.5, 0.5], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(discontinuous_function(x).sum(), x)
    right = 0.1 * np.cos(18 * 0.5) - 0.1 * 0.5 * 18 * np.sin(18 * 0.5)
    np.testing.assert_allclose(slope.numpy(), [1.2 * np.cos(-3.0), right], rtol=1e-12)
