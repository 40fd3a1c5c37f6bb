from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import FrozenInstanceError, dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE, Ansatz, Burgers, Dirichlet


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


def test_by_default_nothing_is_learnt_and_no_condition_holds_by_construction() -> None:
    assert Advection().coefficients() == {}
    assert Advection().true_coefficients() == {}
    assert Advection().ansatz() is None
    assert Advection().unknowns == ("u",)


def test_ansatz_keeps_its_two_functions() -> None:
    ansatz = Ansatz(torch.sin, factor=torch.cos)
    assert ansatz.offset is torch.sin
    assert ansatz.factor is torch.cos
    with pytest.raises(FrozenInstanceError):
        ansatz.factor = torch.sin  # type: ignore[misc]


def test_grid_of_one_coordinate_is_a_column() -> None:
    assert Line().grid().shape == (101, 1)
    assert Line().grid()[-1].item() == 3.0


def test_columns_carry_the_coordinates_names() -> None:
    points = torch.arange(6.0).reshape(2, 3)
    columns = Advection().columns(points)
    assert list(columns) == ["x", "y", "t"]
    assert columns["y"].tolist() == [[1.0], [4.0]]


def test_unknown_condition_lists_the_valid_ones_and_the_nearest() -> None:
    left = Burgers().condition("left")
    assert isinstance(left, Dirichlet)
    assert left.at == ("x", -1.0)
    message = r"unknown condition of Burgers 'intial': valid are initial, left, right; did you mean 'initial'\?"
    with pytest.raises(ConfigurationError, match=message):
        Burgers().condition("intial")
