"""Conditions that prescribe different values at the same points."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from laaf_lightning.problems import Box, Condition, Dirichlet, Disc, Geometry, Neumann, OverTime, Part, Robin, conflicts
from tests.problems.conditions.test_condition import Circle, Sheet

SQUARE = Box.of({"x": (0.0, 1.0), "y": (0.0, 1.0)})
CYLINDER = OverTime(Disc(), (0.0, 1.0))
LOW, HIGH = Part(("x", 0.0), lambda p: p[:, 1] < 0.5), Part(("x", 0.0), lambda p: p[:, 1] > 0.5)


def minus(value: float) -> Any:
    return lambda x, u: u - value


@pytest.mark.parametrize(
    ("one", "other", "geometry"),
    [
        (Dirichlet("a", ("x", 0.0), 1.0), Condition("b", ("y", 0.0), minus(2.0)), SQUARE),
        (Condition("a", LOW, minus(1.0)), Dirichlet("b", ("y", 0.0), 2.0), SQUARE),
        (Dirichlet("a", lambda p: p[:, 0] == 0, 1.0), Dirichlet("b", lambda p: p[:, 1] == 0, 2.0), SQUARE),
        (Dirichlet("a", "boundary", 1.0), Dirichlet("b", ("x", 0.0), 2.0), SQUARE),
        (Dirichlet("a", [[0.0, 0.25]], 1.0), Dirichlet("b", LOW, 2.0), SQUARE),
        (Neumann("a", ("x", 0.0), 1.0), Neumann("b", LOW, 2.0), SQUARE),
        (Robin("a", ("x", 0.0), 1.0), Robin("b", ("x", 0.0), 4.0, of_value=2.0, of_derivative=2.0), SQUARE),
        (Condition("a", ("x", 0.0), lambda x, u: torch.cat([u, u.d("x") - 1], dim=1)), Neumann("b", LOW, 2.0), SQUARE),
        (Dirichlet("a", Disc(), 1.0), Dirichlet("b", ("t", 0.0), 2.0), CYLINDER),
    ],
)
def test_what_cannot_hold_at_once_is_told(one: Condition, other: Condition, geometry: Geometry) -> None:
    (sentence,) = conflicts(Sheet(one, other, geometry=geometry))
    assert sentence.startswith("the conditions 'a' and 'b' of Sheet disagree at x=")
    assert ": 1 against 2; " in sentence


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Dirichlet("a", LOW, 1.0), Dirichlet("b", HIGH, 2.0)),  # two halves of a face
        (Dirichlet("a", HIGH, 1.0), Dirichlet("b", ("y", 0.0), 2.0)),  # which do not reach each other
        (Dirichlet("a", lambda p: p[:, 0] == 0, 1.0), Dirichlet("b", lambda p: p[:, 0] == 1, 2.0)),
        (Dirichlet("a", [[0.5, 0.5]], 1.0), Dirichlet("b", "boundary", 2.0)),
        (Dirichlet("a", ("x", 0.0), 1.0), Neumann("b", ("x", 0.0), 2.0)),
        (Neumann("a", ("x", 0.0), 1.0), Neumann("b", ("y", 0.0), 2.0)),
        (Dirichlet("a", ("x", 0.0), 1.0), Condition("b", ("y", 0.0), lambda x, u: u**2 - 4)),  # not affine
        (Dirichlet("a", ("x", 0.0), 1.0), Condition("b", ("y", 0.0), lambda x, u: 3 * u - 3 - x["x"])),
        (Dirichlet("a", ("x", 0.0), 0.0), Circle("b")),  # whose place is its own
    ],
)
def test_what_can_hold_at_once_is_not(one: Condition, other: Condition) -> None:
    assert conflicts(Sheet(one, other)) == []
