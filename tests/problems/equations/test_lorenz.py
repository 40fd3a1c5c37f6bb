from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from laaf_lightning.derivatives import AutogradField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Lorenz, PointData
from laaf_lightning.problems.equations.lorenz import _trajectory


def test_residual_takes_the_learnt_parameters_and_never_the_true_ones() -> None:
    points = torch.tensor([[0.5]], dtype=torch.float64)
    learnt = {"sigma": torch.tensor(2.0), "rho": torch.tensor(3.0), "beta": torch.tensor(4.0)}
    for problem in (Lorenz(), Lorenz(sigma=1.0, rho=2.0, beta=3.0)):
        # x = t, y = t², z = 1 + t, all in units of 20, at t = 1/2.
        u = AutogradField(lambda t: torch.cat([t, t * t, 1 + t], dim=1), points, ("t",), ("x", "y", "z"))
        residual = problem.residual(problem.columns(points), u, **learnt)
        expected = [1 - 2 * (0.25 - 0.5), 1 - 0.5 * (3 - 20 * 1.5) + 0.25, 1 - 20 * 0.5 * 0.25 + 4 * 1.5]
        assert residual.tolist()[0] == pytest.approx(expected, rel=1e-12)


def test_trajectory_starts_where_it_is_said_to_and_turns_over_to_the_other_side() -> None:
    states = 20 * Lorenz().exact(torch.tensor([[0.0], [0.1], [1.0]]))
    assert states[0].tolist() == pytest.approx([-8.0, 7.0, 27.0], rel=1e-15)
    assert states[1, 0] > 0  # x changes its sign


def test_a_fixed_point_of_the_parameters_is_where_the_trajectory_comes_to_rest() -> None:
    # At σ = 30, ρ = 2, β = 20 all is damped: x = y = √(β(ρ − 1)), z = ρ − 1, on either side of 0.
    end = 20 * Lorenz(sigma=30.0, rho=2.0, beta=20.0).exact(torch.tensor([[1.0]], dtype=torch.float64))
    start = torch.tensor([[-8.0, 7.0, 27.0]])
    rest = torch.tensor([[-math.sqrt(20.0), -math.sqrt(20.0), 1.0]], dtype=torch.float64)
    assert (end.abs() - rest.abs()).norm() < 0.2 * (start.abs() - rest.abs()).norm()


def test_steps_of_half_the_length_give_the_same_trajectory() -> None:
    times = np.linspace(0.0, 1.0, 777)
    halved = _trajectory(10.0, 28.0, 8 / 3, longest_step=0.0025)
    np.testing.assert_allclose(_trajectory(10.0, 28.0, 8 / 3)(times), halved(times), rtol=0, atol=1e-13)


def test_measurements_are_the_reference_at_equally_spaced_times() -> None:
    problem = Lorenz(num_measurements=5)
    for column, condition in enumerate(problem.conditions()):
        assert isinstance(condition, PointData)
        assert condition.name == f"measured_{'xyz'[column]}"
        assert condition.unknown == "xyz"[column]
        assert condition.points.tolist() == [[0.0], [0.25], [0.5], [0.75], [1.0]]
        assert torch.equal(condition.values, problem.exact(condition.points)[:, column : column + 1])


def test_one_percent_of_a_parameter_moves_the_trajectory_as_the_docstring_says() -> None:
    times, true = np.linspace(0.0, 1.0, 101), (10.0, 28.0, 8 / 3)
    states = _trajectory(*true)(times)
    columns = []
    for index in range(3):
        changed = [value * (1 + 1e-6 * (place == index)) for place, value in enumerate(true)]
        columns.append((_trajectory(*changed)(times) - states).ravel() / 1e-6)
    moved = np.stack(columns, axis=1) / np.linalg.norm(states)
    assert np.linalg.norm(moved, axis=0).round(1).tolist() == [0.9, 1.7, 0.5]
    assert np.linalg.cond(moved) == pytest.approx(4.5, abs=0.1)


@pytest.mark.parametrize("time", [-0.1, 1.1, math.nan])
def test_reference_is_refused_where_it_was_not_computed(time: float) -> None:
    with pytest.raises(ConfigurationError, match="known for 0 <= t <= 1"):
        Lorenz().exact(torch.tensor([[time]]))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sigma": 0.0}, "sigma=0.0 must be a finite number > 0"),
        ({"rho": math.inf}, "rho=inf must be"),
        ({"beta": -1.0}, "beta=-1.0 must be"),
        ({"first_guess": (1.0, 2.0)}, "must be three finite numbers, for sigma, rho, beta"),
        ({"first_guess": (1.0, 2.0, math.nan)}, "must be three finite numbers"),
        ({"num_measurements": 1}, "num_measurements=1 must be >= 2"),
    ],
)
def test_nonsense_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Lorenz(**settings)


def test_first_guess_may_be_a_list() -> None:
    assert Lorenz(first_guess=[1.0, 2.0, 3.0]) == Lorenz(first_guess=(1.0, 2.0, 3.0))  # type: ignore[arg-type]
    assert Lorenz(first_guess=[1.0, 2.0, 3.0]).coefficients() == {"sigma": 1.0, "rho": 2.0, "beta": 3.0}  # type: ignore[arg-type]
