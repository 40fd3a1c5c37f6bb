from __future__ import annotations

import math

import pytest
import torch

from laaf_lightning.derivatives import AutogradField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Neumann, Wave


def test_exact_solution_is_that_of_dalembert() -> None:
    speed, points = 0.7, torch.rand(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x, t = points.split(1, dim=1)
    ahead, behind = x + speed * t, x - speed * t
    # Half of f(x + ct) + f(x − ct), and of the integral of the velocity over c between the two.
    displacement = torch.sin(math.pi * ahead) + torch.sin(math.pi * behind)
    integral = (torch.cos(2 * math.pi * behind) - torch.cos(2 * math.pi * ahead)) / 2
    torch.testing.assert_close(Wave(speed).exact(points), (displacement + integral) / 2, rtol=0, atol=1e-14)


def test_residual_weighs_space_with_the_square_of_the_speed() -> None:
    problem, points = Wave(3.0), torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    # u = x²t³: u_tt − c²·u_xx = 6x²t − 2c²t³
    u = AutogradField(lambda p: p[:, :1] ** 2 * p[:, 1:] ** 3, points, problem.coordinates)
    expected = 6 * 0.3**2 * 0.4 - 18 * 0.4**3
    assert problem.residual(problem.columns(points), u).item() == pytest.approx(expected, rel=1e-12)


def test_string_starts_with_a_displacement_and_a_velocity() -> None:
    problem, points = Wave(2.0), torch.tensor([[0.25, 0.0]], dtype=torch.float64)
    displacement, velocity = problem.condition("displacement"), problem.condition("velocity")
    assert displacement.target(points).item() == pytest.approx(math.sqrt(0.5))
    assert velocity.target(points).item() == pytest.approx(2 * math.pi)
    assert isinstance(velocity, Neumann)
    assert velocity.at == ("t", 0.0)


@pytest.mark.parametrize("speed", [0.0, -1.0, math.inf, math.nan])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ConfigurationError, match=r"^speed=.* must be a finite number > 0"):
        Wave(speed)
