"""What holds for every problem that is shipped."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser
from torch import Tensor, nn

import laaf_lightning.problems
from laaf_lightning.derivatives import AutogradField
from laaf_lightning.problems import (
    PDE,
    AllenCahn,
    Ansatz,
    Box,
    Burgers,
    Condition,
    ConditionSet,
    Dirichlet,
    FaceCondition,
    Heat,
    HeatPlate,
    Helmholtz,
    InverseBurgers,
    Kovasznay,
    Lorenz,
    Periodic,
    PointData,
    PoissonDisc,
    PoissonL,
    Wave,
    check_problem,
    condition_orders,
    conflicts,
)
from laaf_lightning.problems.conditions.places import Drawn
from tests.problems.finite_differences import FiniteDifferenceField

# Every public problem stands here, with a step that resolves its finest structure.
PROBLEMS: list[tuple[PDE, float]] = [
    (Burgers(), 2e-4),
    (Burgers(0.1), 2e-3),
    (InverseBurgers(num_measurements=500), 2e-4),
    (InverseBurgers(0.1, noise=0.0, num_measurements=50), 2e-3),
    (Helmholtz(), 2e-3),
    (Helmholtz(wavenumber=3.0, modes=(2, 1)), 2e-3),
    (AllenCahn(), 5e-4),
    (AllenCahn(diffusivity=0.01, reaction=2.0), 2e-3),
    (Heat(), 2e-3),
    (Heat(diffusivity=1.0), 2e-3),
    (HeatPlate(), 2e-3),
    (HeatPlate(diffusivity=0.5), 2e-3),
    (Kovasznay(), 2e-3),
    (Kovasznay(reynolds=5.0), 2e-3),
    (Wave(), 2e-3),
    (Wave(speed=0.3), 2e-3),
    (PoissonDisc(), 2e-3),
    (PoissonDisc(wavenumber=0.5), 2e-3),
    (PoissonL(), 1e-3),
    (Lorenz(), 1e-3),
    (Lorenz(sigma=3.0, rho=15.0, beta=1.0, first_guess=(1.0, 1.0, 1.0), num_measurements=7), 1e-3),
]
each_problem = pytest.mark.parametrize("problem", [problem for problem, _ in PROBLEMS], ids=repr)
each_problem_and_step = pytest.mark.parametrize(
    ("problem", "step"), PROBLEMS, ids=[repr(problem) for problem, _ in PROBLEMS]
)
CAN_BE_HARD = [
    problem
    for problem, _ in PROBLEMS
    if isinstance(problem, (AllenCahn, Burgers, HeatPlate, Helmholtz, Kovasznay, PoissonL, Wave))
]
each_hard_problem = pytest.mark.parametrize("soft", CAN_BE_HARD, ids=repr)

# Off the edges: Allen–Cahn's initial value has a kink, which its reference solution resolves from t = 0.01 on.
MARGIN = 0.02


def box(problem: PDE) -> tuple[Tensor, Tensor]:
    bounds = torch.tensor([problem.domain[name] for name in problem.coordinates], dtype=torch.float64)
    return bounds[:, 0], bounds[:, 1]


def interior(problem: PDE, count: int, margin: float = MARGIN) -> Tensor:
    lower, upper = box(problem)
    generator, on_box = torch.Generator().manual_seed(0), isinstance(problem.geometry, Box)
    unit = torch.rand(count if on_box else 4 * count, len(lower), dtype=torch.float64, generator=generator)
    points = lower + margin + (upper - lower - 2 * margin) * unit
    if on_box:
        return points
    around = torch.cartesian_prod(*[torch.tensor([-margin, margin], dtype=torch.float64)] * len(lower))
    return points[torch.stack([problem.geometry.contains(points + step) for step in around]).all(dim=0)][:count]


def place(problem: PDE, condition: Condition, count: int) -> Drawn:
    if not isinstance(problem.geometry, Box):
        return condition.draw(problem.geometry, count)
    points = condition.place(interior(problem, count), problem.coordinates)
    return Drawn(points, None, condition.partners(points, problem.coordinates))


def exact(problem: PDE, points: Tensor) -> Tensor:
    u = problem.exact(points)
    assert u is not None
    return u


def misfit(problem: PDE, condition: Condition, step: float) -> Tensor:
    """Return by how much the exact solution misses a condition, looking at it from inside the domain only."""
    points, normals, partners = place(problem, condition, 100)
    at = points if partners is None else torch.cat([points, partners])
    lower, upper = box(problem)
    u = FiniteDifferenceField(
        lambda p: exact(problem, p), at, problem.coordinates, step, (lower + upper) / 2, problem.unknowns
    )
    counts = {condition.name: len(points)}
    return ConditionSet(problem).values(u, counts, at, normals) - condition.target(points)


def hard(soft: PDE) -> tuple[PDE, Ansatz]:
    problem = replace(soft, hard_conditions=True)  # type: ignore[type-var]
    assert isinstance(problem, PDE)
    ansatz = problem.ansatz()
    assert ansatz is not None
    return problem, ansatz


def test_no_public_problem_is_missing_from_these_tests() -> None:
    public = {
        value for value in vars(laaf_lightning.problems).values() if isinstance(value, type) and issubclass(value, PDE)
    }
    assert {type(problem) for problem, _ in PROBLEMS} == public - {PDE}
    offer_it = {kind for kind in public - {PDE} if "hard_conditions" in kind.__dataclass_fields__}  # type: ignore[attr-defined]
    assert {type(problem) for problem in CAN_BE_HARD} == offer_it


@each_problem_and_step
def test_exact_solution_has_no_residual(problem: PDE, step: float) -> None:
    points = interior(problem, 400)
    field = FiniteDifferenceField(
        lambda p: exact(problem, p), points, problem.coordinates, step, unknowns=problem.unknowns
    )
    scale = max(field.d(name).abs().max().item() for name in problem.coordinates)
    residual = problem.residual(problem.columns(points), field, **problem.true_coefficients())
    assert residual.shape == (400, len(problem.unknowns))
    assert residual.abs().max().item() < 1e-7 * scale


@each_problem_and_step
def test_exact_solution_meets_every_condition(problem: PDE, step: float) -> None:
    for condition in problem.conditions():
        if isinstance(condition, PointData):
            continue
        gap = misfit(problem, condition, min(step, 2e-4))
        assert gap.shape == (100, 1)
        tolerance = 1e-7 if condition_orders(problem, [condition]) else 1e-13
        assert gap.abs().max().item() < tolerance, condition.name


@each_problem_and_step
def test_exact_solution_misses_measurements_by_their_noise(problem: PDE, step: float) -> None:
    for condition in problem.conditions():
        if isinstance(condition, PointData):
            measured = condition.target(condition.points)
            noise = getattr(problem, "noise", 0.0) * exact(problem, condition.points).std().item()
            # The root mean square of M normal numbers is within 1/√(2M) of σ; four times that is never exceeded.
            count = len(measured)
            rms = misfit(problem, condition, step).square().mean().sqrt().item()
            assert rms == pytest.approx(noise, rel=4 / (2 * count) ** 0.5, abs=1e-13)


@each_problem
def test_exact_solution_meets_prescribed_values_just_inside_too(problem: PDE) -> None:
    lower, upper = box(problem)
    for condition in problem.conditions():
        if isinstance(condition, Dirichlet):
            points = place(problem, condition, 200).points
            inside = points + 1e-10 * ((lower + upper) / 2 - points)
            column = problem.unknowns.index(condition.unknown or "u")
            u = exact(problem, inside)[:, column : column + 1]
            torch.testing.assert_close(u, condition.target(points), rtol=0, atol=1e-6)


@each_hard_problem
def test_hard_conditions_hold_whatever_the_network_is(soft: PDE) -> None:
    problem, ansatz = hard(soft)
    torch.manual_seed(0)
    ends = len(soft.coordinates), len(soft.unknowns)
    network = nn.Sequential(nn.Linear(ends[0], 16), nn.Tanh(), nn.Linear(16, ends[1])).double()
    left = {condition.name for condition in problem.conditions()}
    hard_ones = [condition for condition in soft.conditions() if condition.name not in left]
    assert len(hard_ones) > 0
    assert len(left) == len(soft.conditions()) - len(hard_ones)
    for condition in hard_ones:
        points = place(soft, condition, 100).points
        u = AutogradField(
            lambda p: ansatz.offset(p) + ansatz.factor(p) * network(p), points, soft.coordinates, soft.unknowns
        )
        torch.testing.assert_close(condition.operator(u, None), condition.target(points), rtol=0, atol=1e-13)


@each_hard_problem
def test_hard_conditions_leave_the_exact_solution_within_reach(soft: PDE) -> None:
    problem, ansatz = hard(soft)
    points = interior(problem, 500, margin=1e-3)
    factor = ansatz.factor(points)
    assert factor.shape == ansatz.offset(points).shape == (500, len(problem.unknowns))
    assert factor.min().item() > 0
    network = (exact(problem, points) - ansatz.offset(points)) / factor
    assert network.abs().max().item() < 100
    assert torch.equal(exact(problem, points), exact(soft, points))


@each_hard_problem
def test_hard_conditions_are_off_unless_asked_for(soft: PDE) -> None:
    assert soft.ansatz() is None
    assert len(soft.conditions()) > 0


@each_problem
def test_description_is_sound_and_no_conditions_disagree(problem: PDE) -> None:
    check_problem(problem)
    assert conflicts(problem) == []


@each_problem
def test_conditions_lie_on_the_boundary(problem: PDE) -> None:
    assert len(problem.conditions()) > 0
    for condition in problem.conditions():
        if not isinstance(problem.geometry, Box):
            points = place(problem, condition, 100).points
            assert problem.geometry.contains(points).all()
            assert not problem.geometry.contains(1.001 * points).all()
        elif isinstance(condition, FaceCondition):
            coordinate, position = condition.at
            assert position in problem.domain[coordinate]
        elif isinstance(condition, Periodic):
            assert condition.faces == problem.domain[condition.coordinate]


@each_problem
def test_learnt_coefficients_are_those_whose_true_values_are_known(problem: PDE) -> None:
    assert problem.coefficients().keys() == problem.true_coefficients().keys()


@each_problem
def test_exact_solution_is_float64_without_graph_for_any_float_points(problem: PDE) -> None:
    points = interior(problem, 7).float().requires_grad_()
    u = exact(problem, points)
    assert u.shape == (7, len(problem.unknowns))
    assert u.dtype == torch.float64
    assert not u.requires_grad
    assert exact(problem, points[:0]).shape == (0, len(problem.unknowns))


@each_problem
def test_exact_solution_of_a_point_does_not_depend_on_the_others(problem: PDE) -> None:
    points = interior(problem, 50)
    alone = torch.cat([exact(problem, point[None]) for point in points])
    torch.testing.assert_close(exact(problem, points), alone, rtol=0, atol=1e-13)


@each_problem
def test_axes_rise_from_end_to_end_of_the_domain(problem: PDE) -> None:
    for name, axis in problem.axes().items():
        lower, upper = problem.domain[name]
        steps = axis.diff()
        assert axis.dtype == torch.float64
        assert axis[0].item() == lower
        assert upper - steps[0].item() - 1e-12 <= axis[-1].item() <= upper
        torch.testing.assert_close(steps, steps.mean().expand_as(steps), rtol=1e-9, atol=0)


@each_problem
def test_grid_is_all_combinations_with_the_last_coordinate_fastest(problem: PDE) -> None:
    axes = [problem.axes()[name].numpy() for name in problem.coordinates]
    expected = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")], axis=1)
    inside = problem.geometry.contains(torch.from_numpy(expected)).numpy()
    np.testing.assert_array_equal(problem.grid().numpy(), expected[inside])
    assert problem.grid().dtype == torch.float64


@each_problem
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))], ids=["deepcopy", "pickle"])
def test_copy_of_a_problem_equals_it(problem: PDE, copied: Callable[[Any], Any]) -> None:
    twin = copied(problem)
    assert twin == problem
    assert hash(twin) == hash(problem)


@each_problem
def test_problem_cannot_be_changed(problem: PDE) -> None:
    for field in fields(problem):  # type: ignore[arg-type]
        with pytest.raises(FrozenInstanceError):
            setattr(problem, field.name, 1)


@each_problem
def test_problem_with_another_value_is_another_problem(problem: PDE) -> None:
    for field in fields(problem):  # type: ignore[arg-type]
        value = getattr(problem, field.name)
        other = (3, 3) if isinstance(value, tuple) else not value if isinstance(value, bool) else value * 2 + 1e-3
        changed = copy.copy(problem)
        object.__setattr__(changed, field.name, other)
        assert changed != problem


@each_problem
def test_command_line_builds_the_problem_from_its_values(problem: PDE) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--problem", type=PDE)
    values = {field.name: getattr(problem, field.name) for field in fields(problem)}  # type: ignore[arg-type]
    texts = (f"--problem.{name}={list(v) if isinstance(v, tuple) else v}" for name, v in values.items())
    kind = f"laaf_lightning.problems.{type(problem).__name__}"
    built = parser.instantiate(parser.parse_args([f"--problem={kind}", *texts])).problem
    assert built == problem
    assert hash(built) == hash(problem)
