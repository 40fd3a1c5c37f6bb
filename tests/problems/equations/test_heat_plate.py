from __future__ import annotations

import math

import pytest
import torch

from laaf_lightning.derivatives import AutogradField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import HeatPlate


def test_modes_fade_as_the_docstring_says() -> None:
    # On x = 1/2 there is the first mode alone; on either side of it the second adds and takes away.
    points = torch.tensor([[0.5, 0.5, 1.0], [0.25, 0.5, 1.0], [0.75, 0.5, 1.0]], dtype=torch.float64)
    middle, left, right = HeatPlate().exact(points)[:, 0].tolist()
    assert middle == pytest.approx(math.exp(-0.1 * math.pi**2), rel=1e-14)
    assert round(middle, 2) == 0.37
    assert left - right == pytest.approx(math.exp(-0.25 * math.pi**2), rel=1e-12)
    assert round(left - right, 2) == 0.08


def test_residual_weighs_diffusion_in_both_directions() -> None:
    problem, points = HeatPlate(0.5), torch.tensor([[0.3, 0.4, 0.2]], dtype=torch.float64)
    # u = (x² + 3y²)·t: u_t − α·(u_xx + u_yy) = x² + 3y² − 8αt
    u = AutogradField(lambda p: (p[:, :1] ** 2 + 3 * p[:, 1:2] ** 2) * p[:, 2:], points, problem.coordinates)
    expected = 0.3**2 + 3 * 0.4**2 - 8 * 0.5 * 0.2
    assert problem.residual(problem.columns(points), u).item() == pytest.approx(expected, rel=1e-12)


def test_errors_are_measured_on_a_grid_that_is_small_enough_to_be_looked_at_often() -> None:
    assert HeatPlate().grid().shape == (41**3, 3)


@pytest.mark.parametrize("diffusivity", [0.0, -1.0, math.inf, math.nan])
def test_a_diffusivity_that_is_none_is_refused(diffusivity: float) -> None:
    with pytest.raises(ConfigurationError, match=r"^diffusivity=.* must be a finite number > 0"):
        HeatPlate(diffusivity)
