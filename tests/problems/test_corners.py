from __future__ import annotations

from typing import Any

import pytest
import torch

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Condition, Dirichlet, Neumann, Periodic, PointData, Robin, conflicts
from laaf_lightning.problems.conditions.faces import zero
from tests.problems.slab import INITIAL, HardSlab, Slab, constant


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
