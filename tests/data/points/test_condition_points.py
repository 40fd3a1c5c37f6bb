from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from laaf_lightning.data import CollocationBatch, CollocationDataModule
from laaf_lightning.data.points.condition_points import condition_counts, draw_condition_points, paired_partners
from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import (
    PDE,
    Ansatz,
    Burgers,
    Condition,
    Dirichlet,
    InverseBurgers,
    Neumann,
    Periodic,
    PointData,
)

MEASURED = torch.tensor([[0.5, 0.25], [1.5, 0.75], [1.0, 1.0]], dtype=torch.float64)


def total(points: Tensor) -> Tensor:
    return points.sum(dim=1, keepdim=True)


class Mixed(PDE):
    """Conditions of many kinds, in an order that puts pairs between the others."""

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 2.0), "t": (0.0, 1.0)}

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("t")

    def conditions(self) -> Sequence[Condition]:
        return (
            Periodic("around", "x", (0.0, 2.0)),
            Dirichlet("start", ("t", 0.0), total),
            PointData("measured", MEASURED, 10 * total(MEASURED)),
            Periodic("cycle", "t", (0.0, 1.0), order=1),
            Neumann("slope", ("x", 2.0), total),
        )


NAMES = ("around", "start", "measured", "cycle", "slope")


class Nothing(Mixed):
    def conditions(self) -> Sequence[Condition]:
        return ()


class Hard(Nothing):
    def ansatz(self) -> Ansatz:
        return Ansatz(torch.zeros_like, torch.ones_like)


def share(rank: int, world: int, **settings: Any) -> CollocationBatch:
    data = CollocationDataModule(Mixed(), 12, **settings)
    data.trainer = SimpleNamespace(world_size=world, global_rank=rank, precision="64-true")  # type: ignore[assignment]
    return data.train_dataloader().batch


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        (4, (4, 4, 3, 4, 4)),
        (0, (0, 0, 3, 0, 0)),
        ({"slope": 1, "cycle": 2, "start": 0, "around": 5}, (5, 0, 3, 2, 1)),
        ({"around": 0, "start": 2, "measured": 0, "cycle": 0, "slope": 0}, (0, 2, 0, 0, 0)),
        ({"around": 0, "start": 2, "measured": 3, "cycle": 0, "slope": 0}, (0, 2, 3, 0, 0)),
    ],
)
def test_measured_data_are_all_taken_and_may_be_switched_off(asked: Any, counts: tuple[int, ...]) -> None:
    expected = dict(zip(NAMES, counts, strict=True))
    found = condition_counts(Mixed(), asked)
    assert found == expected
    assert tuple(found) == NAMES


def test_measurements_alone_need_no_number_of_points() -> None:
    assert condition_counts(InverseBurgers(num_measurements=7), {}) == {"measurements": 7}


@pytest.mark.parametrize(
    ("problem", "asked", "message"),
    [
        (Mixed(), {"around": 1, "start": 1, "cycle": 1}, "lacks slope: name all of around, start, measured, cycle"),
        (Mixed(), {"measured": 2}, "measured=2 points on the condition 'measured', which holds 3 measurements: leave"),
        (Mixed(), {"around": -2}, "around=-2 points on the condition 'around': must be >= 0"),
        (Mixed(), {"arund": 2}, r"unknown condition of Mixed 'arund': .* did you mean 'around'\?"),
        (Mixed(), dict.fromkeys(NAMES, 0), "has no point: at least one condition needs some"),
        (Burgers(), 0, "has no point: at least one condition needs some"),
        (Nothing(), 5, "Nothing has no conditions: give it at least one, or an ansatz that meets them"),
        (Hard(), {"start": 1}, "unknown condition of Hard 'start'"),
    ],
)
def test_counts_that_cannot_be_met_are_refused(problem: PDE, asked: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        condition_counts(problem, asked)


@pytest.mark.parametrize("asked", [{}, 200])
def test_a_problem_whose_conditions_all_hold_by_construction_has_no_points(asked: Any) -> None:
    assert condition_counts(Hard(), asked) == {}
    batch = CollocationDataModule(Hard(), 8, asked).train_dataloader().batch
    assert (batch.condition_points.shape, batch.condition_values.shape) == ((0, 2), (0, 1))
    assert batch.condition_counts == {}
    assert len(batch.residual_points) == 8


def test_points_and_values_are_those_of_their_conditions_in_the_problems_order() -> None:
    counts = dict(zip(NAMES, (5, 4, 3, 2, 6), strict=True))
    drawn = draw_condition_points(Mixed(), counts, "uniform", seed=0)
    assert drawn.owners.tolist() == [0] * 5 + [1] * 4 + [2] * 3 + [3] * 2 + [4] * 6
    points = dict(zip(NAMES, drawn.points.split(list(counts.values())), strict=True))
    values = dict(zip(NAMES, drawn.values.split(list(counts.values())), strict=True))
    for name, column, position in (("around", 0, 0.0), ("start", 1, 0.0), ("cycle", 1, 0.0), ("slope", 0, 2.0)):
        assert bool((points[name][:, column] == position).all())
    assert torch.equal(points["measured"], MEASURED)
    assert torch.equal(values["measured"], 10 * total(MEASURED))
    assert not values["around"].any()
    assert not values["cycle"].any()
    for name in ("start", "slope"):
        assert torch.equal(values[name], total(points[name]))


def test_partners_are_the_opposite_points_pair_after_pair() -> None:
    counts = dict(zip(NAMES, (5, 4, 3, 2, 6), strict=True))
    drawn = draw_condition_points(Mixed(), counts, "uniform", seed=0)
    partners = paired_partners(Mixed(), drawn.partners, counts)
    around, cycle = partners.split([5, 2])
    assert bool((around[:, 0] == 2).all())
    assert torch.equal(around[:, 1], drawn.points[:5, 1])
    assert bool((cycle[:, 1] == 1).all())
    assert torch.equal(cycle[:, 0], drawn.points[12:14, 0])


def test_a_condition_left_out_changes_no_other_points() -> None:
    counts = dict(zip(NAMES, (5, 4, 3, 2, 6), strict=True))
    whole = draw_condition_points(Mixed(), counts, "uniform", seed=0)
    without = draw_condition_points(Mixed(), counts | {"start": 0}, "uniform", seed=0)
    assert torch.equal(without.points, torch.cat([whole.points[:5], whole.points[9:]]))
    assert torch.equal(without.owners, torch.cat([whole.owners[:5], whole.owners[9:]]))


@pytest.mark.parametrize(("world", "asked"), [(1, 4), (2, {"around": 3, "start": 5, "cycle": 2, "slope": 1}), (3, 3)])
def test_shares_of_mixed_conditions_are_all_points_each_with_its_own_value(world: int, asked: Any) -> None:
    alone = share(0, 1, num_condition=asked)
    shares = [share(rank, world, num_condition=asked) for rank in range(world)]
    sums = {name: sum(part.condition_counts.get(name, 0) for part in shares) for name in NAMES}
    assert sums == {name: alone.condition_counts[name] for name in NAMES}
    assert len({len(part.condition_values) for part in shares}) == 1

    def rows(batch: CollocationBatch) -> list[tuple[object, ...]]:
        """Name, point, value and partner of each."""
        names = [name for name, count in batch.condition_counts.items() for _ in range(count)]
        points = batch.condition_points[: len(names)].tolist()
        partners = iter(batch.condition_points[len(names) :].tolist())
        found = [
            (name, *point, value, *(next(partners) if name in {"around", "cycle"} else ()))
            for name, point, value in zip(names, points, batch.condition_values.flatten().tolist(), strict=True)
        ]
        assert next(partners, None) is None
        return found

    assert sorted(map(str, rows(alone))) == sorted(str(row) for part in shares for row in rows(part))
    for name, x, t, _, *partner in rows(alone):
        assert partner == {"around": [2.0, t], "cycle": [x, 1.0]}.get(str(name), [])


def test_conditions_that_do_not_split_evenly_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"num_condition \(all together\)=19 points do not split evenly"):
        share(0, 2, num_condition=4)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_values_that_are_not_finite_are_refused_with_the_place(value: float) -> None:
    class Broken(Mixed):
        def conditions(self) -> Sequence[Condition]:
            return (Dirichlet("start", ("t", 0.0), lambda p: torch.where(p[:, :1] > 1, value, 0.0)),)

    with pytest.raises(ConfigurationError, match=r"'start' gives values that are not finite, as at \[1\.\d+, 0\.0\]"):
        draw_condition_points(Broken(), {"start": 20}, "uniform", seed=0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_a_data_module_that_was_used_can_be_copied(
    copied: Callable[[CollocationDataModule], CollocationDataModule],
) -> None:
    data = CollocationDataModule(Mixed(), 8, 4, batch_size=3)
    batch = data.train_dataloader().batch
    again = copied(data).train_dataloader().batch
    assert all(map(torch.equal, batch[:3], again[:3]))
