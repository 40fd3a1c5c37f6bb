from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from torch import nn

from laaf_lightning.data import CollocationDataModule
from laaf_lightning.derivatives import Field
from laaf_lightning.modules import PINN
from laaf_lightning.problems import PDE, Condition, Heat
from laaf_lightning.problems.same_values import same_values, shown
from tests.trainers import quiet_trainer


class Refuses:
    """Raises when it is compared."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("compare me not")

    __hash__ = None  # type: ignore[assignment]


class Table:
    """Has `equals`, and an == that gives no truth, as tables of pandas do."""

    def __init__(self, *values: float) -> None:
        self.values = np.array(values)

    def __eq__(self, other: object) -> Any:
        return self.values == other.values  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def equals(self, other: Table) -> bool:
        return np.array_equal(self.values, other.values)


class Plain:
    """Has attributes, and no comparison of its own."""

    def __init__(self, value: Any) -> None:
        self.value = value


MAKERS: dict[str, Callable[[float], Any]] = {
    "tensor": lambda x: torch.tensor([x, math.nan]),
    "array": lambda x: np.array([x, math.nan]),
    "array of objects": lambda x: np.array([x, "a"], dtype=object),
    "list of tensors": lambda x: [torch.zeros(3), torch.full((2,), x)],
    "mapping": lambda x: {"a": np.zeros(3), "b": (x, [torch.tensor(x)])},
    "table": lambda x: Table(1.0, x),
    "interpolator": lambda x: RegularGridInterpolator((np.linspace(0, 1, 5),), np.full(5, x)),
    "object": lambda x: Plain([Plain(x)]),
    "module": lambda x: nn.utils.parametrizations.weight_norm(nn.Linear(1, 1)) if x > 99 else _linear(x),
    "partial": lambda x: partial(math.pow, x),
    "number": float,
}


def _linear(x: float) -> nn.Module:
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, x)
    nn.init.constant_(layer.bias, x)
    return layer


@pytest.mark.parametrize("name", MAKERS)
def test_values_are_the_same_if_they_hold_the_same_and_only_then(name: str) -> None:
    make = MAKERS[name]
    value = make(1.5)
    assert same_values(value, value)
    assert same_values(value, make(1.5))
    assert same_values(value, copy.deepcopy(value))
    assert not same_values(value, make(2.5))
    assert not same_values(value, None)
    assert same_values(pickle.loads(pickle.dumps(make(1.5))), value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Refuses(), Refuses()), (torch.zeros(2), torch.zeros(2).double()), (torch.zeros(2), torch.zeros(1, 2)),
        (torch.zeros(2), np.zeros(2)), ([1, 2], (1, 2)), ([1], [1, 2]), ({"a": 1}, {"b": 1}), (math.sin, math.cos),
        (lambda x: x, lambda x: x), (float, int), (np.zeros(2), [0, 0]), (object(), object()),
    ],
)  # fmt: skip
def test_what_differs_or_cannot_be_compared_is_not_the_same_and_raises_nothing(one: Any, other: Any) -> None:
    assert not same_values(one, other)
    assert same_values(one, one)


def test_objects_that_hold_each_other_are_compared_to_an_end() -> None:
    def ring(x: float) -> Plain:
        first = Plain(None)
        first.value = [Plain(first), x]
        return first

    assert same_values(ring(1.0), ring(1.0))
    assert not same_values(ring(1.0), ring(2.0))


def test_arrays_are_shown_by_their_shape() -> None:
    assert shown(np.zeros((3, 2))) == "<ndarray of shape (3, 2)>"
    assert shown([torch.arange(99.0)]) == "<list>"
    assert shown("a") == "'a'"


@dataclass(frozen=True)
class Measured(Heat):
    """A frozen dataclass that keeps data, as the documentation advises."""

    table: Any = None


@dataclass
class Thawed(PDE):
    """Not frozen, as another project may write it."""

    table: Any = None
    coordinates: ClassVar[tuple[str, ...]] = Heat.coordinates
    domain: ClassVar[Mapping[str, tuple[float, float]]] = Heat.domain

    def residual(self, x: Mapping[str, torch.Tensor], u: Field) -> torch.Tensor:
        return u.d("t") - u.d("x", "x")

    def conditions(self) -> Sequence[Condition]:
        return Heat().conditions()


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("kind", [Measured, Thawed])
def test_a_problem_that_keeps_anything_is_trained_by_one_instance_or_two(kind: Any, name: str) -> None:
    make = MAKERS[name]
    one, two, other = kind(table=make(1.5)), kind(table=make(1.5)), kind(table=make(2.5))
    assert one == two
    assert hash(one) == hash(two)
    assert one != other
    for problem in (one, two):
        model, data = PINN(one, width=4, depth=1), CollocationDataModule(problem, 10, 4)
        quiet_trainer(max_steps=1, limit_val_batches=0).fit(model, data)


def test_a_class_that_compares_in_a_way_of_its_own_is_left_to_it() -> None:
    @dataclass(frozen=True, eq=False)
    class Always(Heat):
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    assert Always(1.0) == Always(2.0)
    assert hash(Always()) == 7
