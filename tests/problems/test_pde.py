from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

import laaf_lightning.problems
from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE, Burgers, Dirichlet
from tests.problems.finite_differences import FiniteDifferenceField

# Every public problem stands here, with a step that resolves its finest structure.
PROBLEMS: list[tuple[PDE, float]] = [(Burgers(), 2e-4), (Burgers(0.1), 2e-3)]
each_problem = pytest.mark.parametrize("problem", [problem for problem, _ in PROBLEMS], ids=repr)


class Advection(PDE):
    """u_t + c·u_x = 0 on three coordinates; not a dataclass, as another project may write it."""

    coordinates = ("x", "y", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 2.0), "y": (-1.0, 1.0), "t": (0.0, 0.5)}

    def __init__(self, speed: float = 1.0, data: Any = None) -> None:
        self.speed = speed
        self.data = data

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("t") + self.speed * u.d("x")

    def conditions(self) -> Sequence[Dirichlet]:
        return (Dirichlet("initial", ("t", 0.0), lambda points: points[:, :1]),)


class Diffusion(Advection):
    pass


@dataclass(frozen=True)
class Line(PDE):
    """u' = slope on one coordinate."""

    slope: float = 2.0
    coordinates = ("time",)
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"time": (0.0, 3.0)}

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("time") - self.slope

    def conditions(self) -> Sequence[Dirichlet]:
        return ()


def box(problem: PDE, margin: float) -> tuple[Tensor, Tensor]:
    bounds = torch.tensor([problem.domain[name] for name in problem.coordinates], dtype=torch.float64)
    return bounds[:, 0] + margin, bounds[:, 1] - margin


def interior(problem: PDE, count: int, margin: float) -> Tensor:
    lower, upper = box(problem, margin)
    generator = torch.Generator().manual_seed(0)
    return lower + (upper - lower) * torch.rand(count, len(lower), dtype=torch.float64, generator=generator)


def exact(problem: PDE, points: Tensor) -> Tensor:
    u = problem.exact(points)
    assert u is not None
    return u


def test_no_public_problem_is_missing_from_these_tests() -> None:
    public = {
        value for value in vars(laaf_lightning.problems).values() if isinstance(value, type) and issubclass(value, PDE)
    }
    assert {type(problem) for problem, _ in PROBLEMS} == public - {PDE}


@pytest.mark.parametrize(("problem", "step"), PROBLEMS, ids=[repr(problem) for problem, _ in PROBLEMS])
def test_exact_solution_has_no_residual(problem: PDE, step: float) -> None:
    points = interior(problem, 400, margin=9 * step)
    field = FiniteDifferenceField(lambda p: exact(problem, p), points, problem.coordinates, step)
    scale = max(field.d(name).abs().max().item() for name in problem.coordinates)
    assert problem.residual(problem.columns(points), field).abs().max().item() < 1e-7 * scale


@each_problem
def test_exact_solution_meets_the_conditions_on_their_faces_and_just_inside(problem: PDE) -> None:
    for condition in problem.conditions():
        name, position = condition.at
        column = problem.coordinates.index(name)
        points = interior(problem, 200, margin=0.0)
        points[:, column] = position
        prescribed = condition.value(points)
        assert prescribed.shape == (200, 1)
        torch.testing.assert_close(exact(problem, points), prescribed, rtol=0, atol=1e-13)
        lower, upper = problem.domain[name]
        points[:, column] = position + 1e-10 * ((lower + upper) / 2 - position)
        torch.testing.assert_close(exact(problem, points), prescribed, rtol=0, atol=1e-6)


@each_problem
def test_conditions_lie_on_the_boundary_and_have_names_of_their_own(problem: PDE) -> None:
    names = [condition.name for condition in problem.conditions()]
    assert len(set(names)) == len(names) > 0
    for condition in problem.conditions():
        coordinate, position = condition.at
        assert position in problem.domain[coordinate]


@each_problem
def test_exact_solution_is_float64_without_graph_for_any_float_points(problem: PDE) -> None:
    points = interior(problem, 7, margin=0.0).float().requires_grad_()
    u = exact(problem, points)
    assert u.shape == (7, 1)
    assert u.dtype == torch.float64
    assert not u.requires_grad
    assert exact(problem, points[:0]).shape == (0, 1)


@each_problem
def test_grid_is_all_combinations_with_the_last_coordinate_fastest(problem: PDE) -> None:
    axes = [problem.axes()[name].numpy() for name in problem.coordinates]
    expected = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")], axis=1)
    np.testing.assert_array_equal(problem.grid().numpy(), expected)
    assert problem.grid().dtype == torch.float64


@each_problem
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda problem: pickle.loads(pickle.dumps(problem))])
def test_copies_are_equal_and_hash_alike(problem: PDE, copied: Callable[[PDE], PDE]) -> None:
    twin = copied(problem)
    assert twin == problem
    assert hash(twin) == hash(problem)


def test_problems_differ_by_constructor_value_and_by_class() -> None:
    assert Advection(2.0) == Advection(2.0)
    assert Advection(2.0) != Advection(3.0)
    assert Advection(2.0) != Diffusion(2.0)
    assert Advection(2.0) != "Advection"
    assert Advection(2.0) != Burgers()
    assert len({Advection(2.0), Advection(2.0), Diffusion(2.0)}) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (0.0, -0.0), ([1, 2], [1.0, 2.0]), (torch.arange(3.0), torch.arange(3.0))],
    ids=["int_float", "zeros", "lists", "tensors"],
)
def test_equal_problems_hash_alike_whatever_their_values_are(one: Any, other: Any) -> None:
    first, second = Advection(data=one), Advection(data=other)
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize("other", [torch.arange(4.0), torch.arange(3.0) + 1, [0.0, 1.0, 2.0], None])
def test_problems_that_hold_measured_data_differ_with_them(other: Any) -> None:
    assert Advection(data=torch.arange(3.0)) != Advection(data=other)


def test_problem_with_another_attribute_is_another_problem() -> None:
    extended = Advection()
    extended.__dict__["more"] = None
    assert extended != Advection()
    assert Advection() != extended


def test_text_of_a_problem_tells_its_values() -> None:
    assert repr(Advection(2.0)) == "Advection(speed=2.0, data=None)"
    assert repr(Line(3.0)) == "Line(slope=3.0)"


def test_by_default_the_grid_has_101_points_from_end_to_end_and_there_is_no_exact_solution() -> None:
    axes = Advection().axes()
    assert list(axes) == ["x", "y", "t"]
    np.testing.assert_allclose(axes["y"].numpy(), np.linspace(-1, 1, 101), rtol=0, atol=1e-15)
    assert Advection().exact(torch.zeros(1, 3)) is None


def test_grid_of_one_coordinate_is_a_column() -> None:
    assert Line().grid().shape == (101, 1)
    assert Line().grid()[-1].item() == 3.0


def test_columns_carry_the_coordinates_names() -> None:
    points = torch.arange(6.0).reshape(2, 3)
    columns = Advection().columns(points)
    assert list(columns) == ["x", "y", "t"]
    assert columns["y"].tolist() == [[1.0], [4.0]]


def test_unknown_condition_lists_the_valid_ones_and_the_nearest() -> None:
    assert Burgers().condition("left").at == ("x", -1.0)
    message = r"unknown condition of Burgers 'intial': valid are initial, left, right; did you mean 'initial'\?"
    with pytest.raises(ConfigurationError, match=message):
        Burgers().condition("intial")
