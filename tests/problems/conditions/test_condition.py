"""A condition by its operator, and classes of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.data import CollocationDataModule
from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import PDE, Box, Condition, Dirichlet, Disc, Geometry, Neumann, Pair, Points, Robin

SQUARE = Box.of({"x": (0.0, 1.0), "y": (0.0, 1.0)})
SIDES = Pair(("x", 0.0), ("x", 1.0))


class Sheet(PDE):
    """Δu = 0 on any shape, with any conditions."""

    def __init__(
        self,
        *conditions: Condition,
        geometry: Geometry = SQUARE,
        coefficients: Mapping[str, float] | None = None,
        unknowns: tuple[str, ...] = ("u",),
    ) -> None:
        self._conditions, self._coefficients = conditions, dict(coefficients or {})
        self.geometry, self.unknowns = geometry, unknowns  # type: ignore[misc]

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("x", "x") + u.d("y", "y")

    def conditions(self) -> Sequence[Condition]:
        return self._conditions

    def coefficients(self) -> Mapping[str, float]:
        return self._coefficients


def terms(problem: PDE) -> dict[str, float]:
    torch.manual_seed(0)
    model = PINN(problem, width=4, depth=1, engine="taylor")
    batch = CollocationDataModule(problem, 6, 4).train_dataloader().batch
    return {name: term.item() for name, term in model.solution.loss_terms(batch).items()}


@pytest.mark.parametrize(
    ("operator", "where"),
    [
        (lambda x, u: u - x["x"], "boundary"),
        (lambda x, u, normal: u - x["x"], "boundary"),
        (lambda x, u, normal: u - x["x"], "inside"),  # taken and not asked for
        (lambda x, u, scale=1.0: u - scale * x["x"], "boundary"),
        (lambda x, u, **coefficients: u - coefficients["h"] * x["x"], "boundary"),
        (lambda x, u, h: u - h * x["x"], "boundary"),
        (lambda x, u, normal, h: u - h * x["x"], "boundary"),
        (lambda x, u, *, h: u - h * x["x"], "boundary"),
        (lambda x, u: (u - x["x"])[:, 0], "boundary"),
    ],
)
def test_an_operator_takes_what_it_names(operator: Callable[..., Any], where: str) -> None:
    class Heated(Sheet):
        def residual(self, x: Mapping[str, Tensor], u: Field, h: Any = 1.0) -> Tensor:
            return super().residual(x, u)

    found = terms(Heated(Condition("rim", where, operator), coefficients={"h": 1.0}))
    expected = terms(Sheet(Condition("rim", where, lambda x, u: u - x["x"])))
    assert found["rim"] == pytest.approx(expected["rim"], rel=1e-6)


def test_an_operator_may_give_the_field_itself() -> None:
    one = terms(Sheet(Condition("rim", "boundary", lambda x, u: u)))
    assert one == terms(Sheet(Dirichlet("rim", "boundary", 0.0)))
    both = Condition("both", "inside", lambda x, u: u)
    assert terms(Sheet(both, unknowns=("v", "w")))["both"] > 0


@pytest.mark.parametrize(
    ("operator", "got"),
    [
        (lambda x, u: u.value.mean(), r"shape \(\) at N=5 points"),
        (lambda x, u: u.value.T, r"shape \(1, 5\) at N=5"),
        (lambda x, u: u.value - u.value[:, 0], r"shapes \(5, 5\) and \(7, 7\) at N=5 and 7 points"),
        (lambda x, u: u.value.numpy(), "a ndarray at N=5"),
        (lambda x, u: 0.0, "a float at N=5"),
        (lambda x, u: None, "a NoneType at N=5"),
        (lambda x, u: [u.value], "a list at N=5"),
    ],
)
def test_operators_that_give_something_else_are_refused(operator: Callable[..., Any], got: str) -> None:
    message = rf"^the operator of the condition 'rim' of Sheet gives {got}.*: it must return a tensor of "
    with pytest.raises(ConfigurationError, match=message):
        PINN(Sheet(Condition("rim", "boundary", operator)))


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            Condition("rim", "boundary", lambda x, u: u - x["z"]),
            "^unknown coordinate in the operator of the condition 'rim' of Sheet 'z': valid are x, y",
        ),
        (
            Condition("rim", "boundary", lambda x, u, normal: u - normal["z"]),
            "^unknown coordinate in the normals in the operator of the condition 'rim' of Sheet 'z'",
        ),
        (Condition("rim", "inside", lambda x, u, normal: u - normal["x"]), "asks for normals, and its place has none"),
        (Neumann("rim", Points([[0.5, 0.5]]), 0.0), "^the condition 'rim' of Sheet asks for normals, and its place"),
        (Robin("rim", "inside", 0.0), "asks for normals, and its place has none: take a place on a boundary, or point"),
        (Condition("rim", "boundary", lambda u: u), r"^the operator of the condition 'rim' of Sheet takes 1 arguments"),
        (
            Condition("rim", "boundary", lambda x, u, normal, k: u),
            "takes 'k', which is none of x, u, normal and no coefficient: give it a first guess",
        ),
        (Condition("rim", "boundary", lambda x, u, *, k: u), "takes 'k', which is none of x, u, normal and no coef"),
        (
            Condition("ring", SIDES, lambda x, u, normal: u),
            r"takes 3 arguments: it is called as operator\(x, u, x_partner, u_partner, normal, …\), of which it must "
            "take the first 4, as its place pairs points",
        ),
        (
            Condition("rim", "boundary"),
            r"^the condition 'rim' has no operator: write Condition\('rim', where",
        ),
        (Condition("rim"), "^the condition 'rim' does not say where it holds: write Condition"),
    ],
)
def test_operators_that_ask_for_what_there_is_not_are_refused(condition: Condition, message: str) -> None:
    for give in (PINN, lambda problem: PINN(problem, engine="autograd")):
        with pytest.raises(ConfigurationError, match=message):
            give(Sheet(condition))


@pytest.mark.parametrize("operator", [3, "u", torch.nn.Tanh, np.zeros(2)])
def test_what_is_no_function_is_no_operator(operator: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^operator=.* of the condition 'rim' must be a function"):
        Condition("rim", "boundary", operator)


def test_a_coefficient_that_nobody_takes_is_refused() -> None:
    message = r"^Sheet.coefficients\(\) has 'h', which Sheet.residual does not take: .*, or take it in the operator of"
    with pytest.raises(ConfigurationError, match=message):
        PINN(Sheet(Robin("rim", "boundary", 0.0), coefficients={"h": 1.0}))


def test_neumann_is_along_the_coordinate_on_faces_and_along_the_normal_elsewhere() -> None:
    """On the face x = 0 the outward normal is −x."""
    face = Sheet(Neumann("side", ("x", 0.0), 0.3))
    by_mask = Sheet(Neumann("side", lambda p: p[:, 0] == 0, -0.3))
    along = lambda x, u, normal: normal["x"] * u.d("x") + normal["y"] * u.d("y") + 0.3  # noqa: E731
    by_operator = Sheet(Condition("side", ("x", 0.0), along))
    assert terms(face)["side"] == pytest.approx(terms(by_operator)["side"], rel=1e-5)
    assert terms(by_mask)["side"] != pytest.approx(terms(Sheet(Neumann("side", lambda p: p[:, 0] == 0, 0.3)))["side"])
    both = [CollocationDataModule(each, 6, 4).train_dataloader().batch for each in (by_mask, by_operator)]
    for batch in both:
        assert batch.condition_normals is not None
        assert batch.condition_normals.tolist() == [[-1.0, 0.0]] * 4
    assert CollocationDataModule(face, 6, 4).train_dataloader().batch.condition_normals is None


@dataclass(frozen=True, eq=False)
class Circle(Condition):
    """The form of a class of one's own."""

    radius: float = 0.5
    unknown = None

    def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        angle = 6 * points[:, :1]
        return self.radius * torch.cat([angle.cos(), angle.sin()], dim=1)

    def target(self, points: Tensor) -> Tensor:
        return torch.ones_like(points[:, :1])

    def operator(self, u: Field, partner: Field | None) -> Tensor:
        return u.value


@dataclass(frozen=True, eq=False)
class Rough(Condition):
    """Has a place of its own, and an operator of the general form."""

    where: Any
    roughness: float = 2.0

    def operator(self, x: Mapping[str, Tensor], u: Field, normal: Mapping[str, Tensor]) -> Tensor:
        return u - self.roughness * x["x"] * normal["x"]


def test_classes_of_ones_own_go_on() -> None:
    problem = Sheet(Circle("circle"), geometry=Disc())
    drawn = CollocationDataModule(problem, 6, 4).condition_points()
    torch.testing.assert_close(drawn[0].norm(dim=1), torch.full((4,), 0.5, dtype=torch.float64))
    assert drawn[1].tolist() == [[1.0]] * 4
    assert list(terms(problem)) == ["residual", "circle"]


def test_classes_of_ones_own_may_have_an_operator_of_the_general_form() -> None:
    found = terms(Sheet(Rough("rim", "boundary")))
    plain = Condition("rim", "boundary", lambda x, u, normal: u - 2 * x["x"] * normal["x"])
    assert found == terms(Sheet(plain))


def test_a_place_of_ones_own_outside_the_domain_is_noticed() -> None:
    class Away(Dirichlet):
        def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
            return points + 100

    for give in (PINN, CollocationDataModule):
        with pytest.raises(ConfigurationError, match=r"^the condition 'side' of Sheet has 7 points outside the domain"):
            give(Sheet(Away("side", ("x", 0.0), 0.0)))


def test_a_place_of_ones_own_that_is_seldom_outside_is_noticed_when_it_is_drawn() -> None:
    class Rarely(Dirichlet):
        def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
            return points + 5 * (torch.arange(len(points)) == 20)[:, None]

    data = CollocationDataModule(Sheet(Rarely("side", ("x", 0.0), 0.0)), 6, 30)
    with pytest.raises(ConfigurationError, match=r"^the condition 'side' of Sheet has 1 points outside the domain"):
        data.train_dataloader()


def test_an_operator_that_looks_for_points_in_the_field_is_told_the_new_form() -> None:
    class Normal(Circle):
        def operator(self, u: Any, partner: Field | None = None) -> Tensor:
            return u.points[:, :1] * u.d("x")  # type: ignore[no-any-return]

    message = r"^the operator of the condition 'n' of Sheet fails: .*'points'.*, Condition\('n', where, operator\)"
    with pytest.raises(ConfigurationError, match=message):
        PINN(Sheet(Normal("n"), geometry=Disc()), engine="autograd")


def test_operators_without_numbers_that_have_a_gradient_are_refused() -> None:
    for operator, said in ((lambda x, u: u > 0, "a tensor of torch.bool"), (lambda x, u: u[:, :0], r"shape \(5, 0\)")):
        with pytest.raises(ConfigurationError, match=rf"the operator of the condition 'rim' of Sheet gives {said}"):
            terms(Sheet(Condition("rim", "boundary", operator)))


def test_a_name_is_a_string() -> None:
    for name in (None, 3, "", ["a"]):
        with pytest.raises(ConfigurationError, match=r"^Sheet has a condition called .*: its name must be a string"):
            terms(Sheet(Condition(name, "boundary", lambda x, u: u)))  # type: ignore[arg-type]
