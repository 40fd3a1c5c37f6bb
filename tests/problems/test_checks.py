from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import (
    PDE,
    Dirichlet,
    Neumann,
    Periodic,
    PointData,
    Robin,
    check_problem,
)
from laaf_lightning.problems.conditions.faces import zero
from tests.problems.slab import INITIAL, HardSlab, Slab


class GreedySlab(Slab):
    def residual(self, x: Mapping[str, Tensor], u: Field, viscosity: Tensor) -> Tensor:  # type: ignore[override]
        return u.d("t") - viscosity * u.d("x", "x")


class KeywordSlab(Slab):
    def residual(self, x: Mapping[str, Tensor], u: Field, *args: Any, **coefficients: Any) -> Tensor:
        return u.d("t")


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


def test_a_condition_called_as_the_equations_own_term_is_refused() -> None:
    named = Slab(Dirichlet("residual", ("t", 0.0), zero))
    with pytest.raises(ConfigurationError, match=r"Slab has a condition that is called 'residual', .*: rename it"):
        check_problem(named)
