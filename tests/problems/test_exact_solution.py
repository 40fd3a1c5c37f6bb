from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.data import CollocationDataModule
from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE, Burgers, Condition, PointData, exact_solution


class Still(PDE):
    """Two coordinates, measurements alone, and an exact solution as a test gives it."""

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 1.0), "t": (0.0, 1.0)}

    def __init__(self, exact: Any, unknowns: tuple[str, ...] = ("u",)) -> None:
        self.given = exact
        self.unknowns = unknowns  # type: ignore[misc]

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("t")

    def conditions(self) -> Sequence[Condition]:
        return [PointData("measured", np.zeros((1, 2)), 0.0, unknown=self.unknowns[0])]

    def exact(self, points: Tensor) -> Tensor | None:
        exact: Tensor | None = self.given(points) if callable(self.given) else self.given
        return exact


@pytest.mark.parametrize(
    "exact", [2, 2.0, np.float64(2), lambda p: np.full(len(p), 2.0), lambda p: np.full((len(p), 1), 2, np.float32)]
)
def test_numbers_and_arrays_are_taken_by_the_data_module(exact: Any) -> None:
    ((points, u),) = CollocationDataModule(Still(exact), 5, {}).val_dataloader()
    assert u.shape == (len(points), 1)
    assert bool((u == 2).all())


def test_several_unknowns_have_a_column_each() -> None:
    points = torch.zeros(3, 2)
    assert exact_solution(Still(lambda p: np.zeros((len(p), 2)), ("v", "w")), points) is not None
    for exact in (lambda p: np.zeros(len(p)), lambda p: p[:, :1]):
        with pytest.raises(ConfigurationError, match=r"^Still.exact\(points\) has shape .* at 3 points: .* \(3, 2\)$"):
            exact_solution(Still(exact, ("v", "w")), points)


def test_a_tensor_that_fits_is_left_as_it_is_and_none_is_none() -> None:
    column = torch.zeros(3, 1)
    assert exact_solution(Still(lambda p: column), torch.zeros(3, 2)) is column
    assert exact_solution(Still(None), torch.zeros(3, 2)) is None


def test_a_shipped_solution_is_given_bit_for_bit() -> None:
    points = Burgers().geometry.sample(torch.rand(4, 2, generator=torch.Generator().manual_seed(0)))
    asked = exact_solution(Burgers(), points)
    assert asked is not None
    assert torch.equal(asked, Burgers().exact(points))
