from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import (
    PDE,
    Ansatz,
    Condition,
    Dirichlet,
    Neumann,
    Periodic,
    PointData,
    Robin,
    check_problem,
    conflicts,
)
from laaf_lightning.problems.conditions.faces import zero


class Slab(PDE):
    """A problem that the tests describe as they like."""

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")

    def __init__(
        self,
        *conditions: Condition,
        domain: Mapping[str, tuple[float, float]] | None = None,
        coefficients: Mapping[str, float] | None = None,
        unknowns: tuple[str, ...] = ("u",),
    ) -> None:
        self._conditions, self._coefficients = conditions, dict(coefficients or {})
        self.domain = domain or {"x": (-1.0, 2.0), "t": (0.0, 1.0)}  # type: ignore[misc]
        self.unknowns = unknowns  # type: ignore[misc]

    def residual(self, x: Mapping[str, Tensor], u: Field, speed: float | Tensor = 1.0) -> Tensor:
        return u.d("t") + speed * u.d("x")

    def conditions(self) -> Sequence[Condition]:
        return self._conditions

    def coefficients(self) -> Mapping[str, float]:
        return self._coefficients


class HardSlab(Slab):
    def ansatz(self) -> Ansatz:
        return Ansatz(zero, zero)


class GreedySlab(Slab):
    def residual(self, x: Mapping[str, Tensor], u: Field, viscosity: Tensor) -> Tensor:  # type: ignore[override]
        return u.d("t") - viscosity * u.d("x", "x")


class KeywordSlab(Slab):
    def residual(self, x: Mapping[str, Tensor], u: Field, *args: Any, **coefficients: Any) -> Tensor:
        return u.d("t")


INITIAL = Dirichlet("initial", ("t", 0.0), zero)


def constant(value: float) -> Any:
    return lambda points: torch.full_like(points[:, :1], value)


def data(points: Sequence[Sequence[float]], values: Sequence[Sequence[float]]) -> PointData:
    return PointData("measured", torch.tensor(points), torch.tensor(values))


@pytest.mark.parametrize(
    "problem",
    [
        Slab(INITIAL),
        HardSlab(),
        Slab(INITIAL, coefficients={"speed": 2.0}),
        KeywordSlab(INITIAL, coefficients={"anything": 2.0}),
        Slab(Dirichlet("inside", ("x", 0.3), zero), Neumann("left", ("x", -1.0), zero), Robin("r", ("x", 2.0), zero)),
        Slab(Periodic("value", "x", (-1.0, 2.0)), Periodic("slope", "x", (-1.0, 2.0), order=1)),
        Slab(data([[-1.0, 0.0], [2.0, 1.0], [0.5, 0.5]], [[1.0], [2.0], [-3.0]])),
        Slab(Dirichlet("initial", ("t", 0.0), zero, unknown="p"), unknowns=("v", "p")),
        Slab(INITIAL, domain={"x": (0, 1), "t": (0, 1), "more": (2, 1)}),
    ],
)
def test_sound_descriptions_pass(problem: PDE) -> None:
    check_problem(problem)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (Slab(INITIAL, domain={"x": (0.0, 1.0)}), r"^the domain of Slab lacks the coordinate 't': give its \(lower, "),
        (
            Slab(INITIAL, domain={"x": (1.0, 1.0), "t": (0.0, 1.0)}),
            r"^the domain of Slab in 'x' is \(1.0, 1.0\): it must be finite, lower < upper$",
        ),
        (Slab(INITIAL, domain={"x": (0.0, 1.0), "t": (1.0, 0.0)}), r"^the domain of Slab in 't' is \(1.0, 0.0\): it "),
        (Slab(INITIAL, domain={"x": (0.0, math.inf), "t": (0.0, 1.0)}), r"in 'x' is \(0.0, inf\): it must be finite"),
        (Slab(INITIAL, domain={"x": (math.nan, 1.0), "t": (0.0, 1.0)}), r"in 'x' is \(nan, 1.0\): it must be finite"),
        (
            Slab(INITIAL, coefficients={"velocity": 1.0}),
            r"^Slab.coefficients\(\) has 'velocity', which Slab.residual does not take: write residual\(self, x, u, ve",
        ),
        (
            GreedySlab(INITIAL),
            r"^GreedySlab.residual takes 'viscosity', which GreedySlab.coefficients\(\) lacks: give it a first guess",
        ),
        (
            Slab(INITIAL, coefficients={"u": 1.0}),
            r"^Slab.coefficients\(\) has 'u', which cannot be an argument beside x",
        ),
        (
            Slab(INITIAL, coefficients={"speed": math.nan}),
            r"^the first guess of 'speed' in Slab is nan: it must be finite$",
        ),
        (KeywordSlab(INITIAL, coefficients={"any": math.inf}), r"^the first guess of 'any' in KeywordSlab is inf: it "),
        (
            Slab(INITIAL, Neumann("initial", ("x", 2.0), zero)),
            r"^Slab has the conditions \[initial, initial\]: each needs another name$",
        ),
        (
            Slab(INITIAL, unknowns=("v", "p")),
            r"^the condition 'initial' of Slab does not say which unknown it is about: give unknown=, one of v, p$",
        ),
        (
            Slab(Neumann("side", ("x", 2.0), zero, unknown="w"), unknowns=("v", "p")),
            r"^unknown unknown of the condition 'side' of Slab 'w': valid are v, p",
        ),
        (
            Slab(Dirichlet("initial", ("time", 0.0), zero)),
            r"^unknown coordinate of the condition 'initial' of Slab 'time': valid are x, t",
        ),
        (Slab(Periodic("ring", "y", (0.0, 1.0))), r"^unknown coordinate of the condition 'ring' of Slab 'y': valid "),
        (
            Slab(Robin("side", ("x", 2.5), zero)),
            r"^the condition 'side' of Slab lies at x=2.5, outside the domain \[-1.0, 2.0\]$",
        ),
        (Slab(Periodic("ring", "x", (-1.0, 3.0))), r"^the condition 'ring' of Slab lies at x=3.0, outside the domain"),
        (Slab(Periodic("ring", "x", (-2.0, 2.0))), r"^the condition 'ring' of Slab lies at x=-2.0, outside the domain"),
        (Slab(Dirichlet("side", ("x", math.nan), zero)), r"^the condition 'side' of Slab lies at x=nan, outside the "),
        (
            Slab(PointData("measured", torch.zeros(3, 1), torch.zeros(3, 1))),
            r"^the condition 'measured' of Slab has points of shape \(3, 1\) and values of shape \(3, 1\): expected "
            r"\(M, 2\) and \(M, 1\) or \(M,\), M >= 1$",
        ),
        (
            Slab(PointData("measured", torch.zeros(3, 2), torch.zeros(2))),
            r"\(3, 2\) and values of shape \(2, 1\): expec",
        ),
        (Slab(PointData("measured", torch.zeros(3, 2), torch.zeros(1, 3))), r"\(3, 2\) and values of shape \(1, 3\): "),
        (Slab(PointData("measured", torch.zeros(3, 2), torch.zeros(2, 1))), r"\(3, 2\) and values of shape \(2, 1\): "),
        (Slab(PointData("measured", torch.zeros(0, 2), torch.zeros(0, 1))), r"\(0, 2\) and values of shape \(0, 1\): "),
        (
            Slab(data([[0.0, 0.0], [0.0, math.nan]], [[1.0], [1.0]])),
            r"^the condition 'measured' of Slab has points that are not finite, the first in row 1: \[0.0, nan\]$",
        ),
        (
            Slab(data([[0.0, 0.0], [0.0, 1.0], [0.0, 0.5]], [[1.0], [math.inf], [math.nan]])),
            r"^the condition 'measured' of Slab has values that are not finite, the first in row 1: \[inf\]$",
        ),
        (
            Slab(data([[0.0, 0.0], [0.0, 1.5], [0.0, -0.5]], [[1.0], [1.0], [1.0]])),
            r"^the condition 'measured' of Slab has 2 points outside the domain, the first in row 1: t=1.5 is not in "
            r"\[0.0, 1.0\]$",
        ),
        (Slab(data([[-1.5, 0.0]], [[1.0]])), r"has 1 points outside the domain, the first in row 0: x=-1.5 is not in"),
    ],
)
def test_descriptions_that_contradict_themselves_are_refused(problem: PDE, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_problem(problem)


def test_conditions_that_meet_in_a_corner_with_other_values_are_told_with_the_corner() -> None:
    problem = Slab(
        Dirichlet("initial", ("t", 0.0), lambda points: points[:, :1] ** 2),
        Dirichlet("left", ("x", -1.0), constant(1.0)),
        Dirichlet("right", ("x", 2.0), constant(0.5)),
    )
    assert conflicts(problem) == [
        "the conditions 'initial' and 'right' of Slab disagree at x=2, t=0: 4 against 0.5; a network is continuous and "
        "meets neither near that corner"
    ]


def test_conflict_is_told_where_the_values_are_furthest_apart() -> None:
    class Block(Slab):
        coordinates = ("x", "y", "t")

    problem = Block(
        Dirichlet("initial", ("t", 0.0), lambda points: points[:, 1:2]),
        Dirichlet("left", ("x", -1.0), zero),
        domain={"x": (-1.0, 1.0), "y": (-1.0, 3.0), "t": (0.0, 1.0)},
    )
    (sentence,) = conflicts(problem)
    assert "disagree at x=-1, y=3, t=0: 3 against 0;" in sentence


@pytest.mark.parametrize(
    "other",
    [
        Dirichlet("other", ("x", -1.0), lambda points: torch.ones_like(points[:, :1]) + points[:, 1:]),
        Dirichlet("other", ("t", 1.0), zero),  # opposite faces do not meet
        Neumann("other", ("x", -1.0), zero),
        Robin("other", ("x", -1.0), zero),
        Periodic("other", "x", (-1.0, 2.0)),
        PointData("other", torch.tensor([[-1.0, 0.0]]), torch.tensor([[0.0]])),
        Dirichlet("other", ("x", -1.0), constant(1 + 1e-6)),
    ],
)
def test_conditions_that_can_all_hold_are_no_conflict(other: Condition) -> None:
    assert conflicts(Slab(Dirichlet("initial", ("t", 0.0), constant(1.0)), other)) == []


def test_two_values_on_one_face_are_told() -> None:
    problem = Slab(INITIAL, Dirichlet("again", ("t", 0.0), lambda points: points[:, :1]))
    (sentence,) = conflicts(problem)
    assert "'initial' and 'again' of Slab disagree at x=2, t=0: 0 against 2;" in sentence


def test_gap_counts_relative_to_large_values() -> None:
    large, near, far = (
        Dirichlet(str(v), (c, 0.0), constant(v)) for c, v in (("t", 1e6), ("x", 1e6 + 1), ("x", 1e6 + 50))
    )
    assert conflicts(Slab(large, near)) == []
    assert len(conflicts(Slab(large, far))) == 1


def test_conditions_on_different_unknowns_do_not_conflict() -> None:
    one = Dirichlet("one", ("t", 0.0), constant(1.0), unknown="v")
    for unknown, count in (("p", 0), ("v", 1)):
        other = Dirichlet("other", ("x", 2.0), zero, unknown=unknown)
        assert len(conflicts(Slab(one, other, unknowns=("v", "p")))) == count


@pytest.mark.parametrize(
    "value", [2.0, lambda points: points[:, 0], lambda points: 2, lambda points: points.numpy()[:, 0]]
)
def test_values_are_compared_however_they_are_given(value: Any) -> None:
    side = Dirichlet("side", ("x", 2.0), value)
    for conditions in ((INITIAL, side), (side, INITIAL)):
        assert len(conflicts(Slab(*conditions))) == 1


def test_values_of_a_wrong_shape_are_refused_before_they_are_compared() -> None:
    side = Dirichlet("side", ("x", 2.0), lambda points: points)
    with pytest.raises(
        ConfigurationError, match=r"'side' has shape \(5, 2\) at 5 points: it must be a number, or of sh"
    ):
        conflicts(Slab(INITIAL, side))


def test_hard_conditions_alone_do_not_conflict() -> None:
    assert conflicts(HardSlab()) == []


def test_a_condition_called_as_the_equations_own_term_is_refused() -> None:
    named = Slab(Dirichlet("residual", ("t", 0.0), zero))
    with pytest.raises(ConfigurationError, match=r"Slab has a condition that is called 'residual', .*: rename it"):
        check_problem(named)
