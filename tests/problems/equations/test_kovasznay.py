from __future__ import annotations

import math

import pytest
import torch

from laaf_lightning.derivatives import AutogradField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Kovasznay
from laaf_lightning.problems.equations.kovasznay import _patch


def test_decay_is_that_of_the_published_flow_and_right_for_large_reynolds_numbers() -> None:
    assert Kovasznay(40.0)._decay() == pytest.approx(20 - math.sqrt(400 + 4 * math.pi**2), rel=1e-13)
    assert Kovasznay(1e9)._decay() == pytest.approx(-4 * math.pi**2 / 1e9, rel=1e-12)


def test_residual_is_both_momenta_and_continuity() -> None:
    problem, points = Kovasznay(8.0), torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    # u = x²y, v = xy², p = x³ + y³
    u = AutogradField(
        lambda p: torch.cat([p[:, :1] ** 2 * p[:, 1:], p[:, :1] * p[:, 1:] ** 2, (p**3).sum(dim=1, keepdim=True)], 1),
        points,
        problem.coordinates,
        problem.unknowns,
    )
    x, y = 0.3, 0.4
    along_x = x * x * y * 2 * x * y + x * y * y * x * x + 3 * x * x - 2 * y / 8
    along_y = x * x * y * y * y + x * y * y * 2 * x * y + 3 * y * y - 2 * x / 8
    residual = problem.residual(problem.columns(points), u)
    assert residual.tolist()[0] == pytest.approx([along_x, along_y, 4 * x * y], rel=1e-12)


def test_velocity_is_given_on_four_sides_and_pressure_at_the_outflow() -> None:
    conditions = Kovasznay().conditions()
    sides = {"left": ("x", -0.5), "right": ("x", 1.0), "bottom": ("y", -0.5), "top": ("y", 1.5)}
    given = {(condition.unknown, condition.at) for condition in conditions}
    assert given == {("u", at) for at in sides.values()} | {("v", at) for at in sides.values()} | {("p", ("x", 1.0))}
    assert all(condition.name.split("_")[0] == condition.unknown for condition in conditions)


def test_a_patch_takes_values_on_the_sides_alone() -> None:
    points = Kovasznay().grid()

    def on_sides(at: torch.Tensor) -> torch.Tensor:
        x, y = at.split(1, dim=1)
        assert ((x == -0.5) | (x == 1.0) | (y == -0.5) | (y == 1.5)).all()
        values: torch.Tensor = torch.sin(3 * x) + y**3 + x * y
        return values

    x, y = points.split(1, dim=1)
    # For f(x) + g(y) + xy the patch is exact.
    torch.testing.assert_close(_patch(on_sides, points), torch.sin(3 * x) + y**3 + x * y, rtol=0, atol=1e-13)


def test_hard_flow_does_not_know_the_solution_inside() -> None:
    problem = Kovasznay(hard_conditions=True)
    ansatz = problem.ansatz()
    assert ansatz is not None
    middle = torch.tensor([[0.25, 0.3]], dtype=torch.float64)
    assert (ansatz.offset(middle) - problem.exact(middle)).abs().max() > 0.1


@pytest.mark.parametrize("reynolds", [0.0, -1.0, math.inf, math.nan])
def test_a_reynolds_number_that_is_none_is_refused(reynolds: float) -> None:
    with pytest.raises(ConfigurationError, match=r"^reynolds=.* must be a finite number > 0"):
        Kovasznay(reynolds)
