from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE, Ansatz, Condition, Dirichlet, PointData
from laaf_lightning.solutions.scales.outputs import output_scale


class Flow(PDE):
    """Two unknowns; the values that are prescribed are the constructor's."""

    coordinates: ClassVar[tuple[str, ...]] = ("x",)
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 1.0)}
    unknowns = ("v", "p")

    def __init__(self, values: Mapping[str, Sequence[float]], ansatz: Ansatz | None = None) -> None:
        self.values, self._ansatz = values, ansatz

    def residual(self, x: Mapping[str, Tensor], u: Field, **coefficients: Any) -> Tensor:
        return u["v"].d("x") + u["p"].d("x")

    def conditions(self) -> Sequence[Condition]:
        return [
            PointData(f"{unknown}{k}", [[0.5]], [value], unknown=unknown)
            for unknown, values in self.values.items()
            for k, value in enumerate(values)
        ]

    def ansatz(self) -> Ansatz | None:
        return self._ansatz


def numbers(problem: PDE, *settings: Any) -> tuple[list[float], list[float]] | None:
    """Offsets and scales."""
    scale = output_scale(problem, *settings)
    return None if scale is None else (scale.offset.double().tolist(), scale.scale.double().tolist())


def test_values_give_the_middle_and_half_of_their_range() -> None:
    assert numbers(Flow({"v": [1, 3], "p": [1e5, 3e5]}), "data") == ([2, 2e5], [1, 1e5])


def test_values_that_are_all_the_same_give_their_size() -> None:
    assert numbers(Flow({"p": [300, 300]}), "data") == ([0, 300], [1, 300])
    assert numbers(Flow({"v": [0, 0], "p": [-7]}), "data") == ([0, -7], [1, 7])


def test_auto_changes_the_unknowns_that_are_large_or_small() -> None:
    assert numbers(Flow({"v": [-10, 3], "p": [0.02, 0.1]})) is None
    assert numbers(Flow({"v": [0, 8], "p": [1e5, 3e5]})) == ([0, 2e5], [1, 1e5])
    assert numbers(Flow({"p": [0, 0.0078125]})) == ([0, 0.00390625], [1, 0.00390625])
    assert numbers(Flow({"v": [0, 0]})) is None
    assert numbers(Flow({})) is None


@pytest.mark.parametrize("given", [[2, 4], (2, 4), {"v": 2, "p": 4}, np.array([2.0, 4.0]), torch.tensor([2, 4])])
def test_numbers_are_taken_one_for_each_unknown(given: Any) -> None:
    assert numbers(Flow({"p": [1e5, 3e5]}), given) == ([0, 0], [2, 4])
    assert numbers(Flow({"p": [1e5, 3e5]}), None, given) == ([2, 4], [1, 1])


def test_a_number_is_that_of_all_and_names_may_be_left_out() -> None:
    assert numbers(Flow({}), 2, 5) == ([5, 5], [2, 2])
    assert numbers(Flow({}), {"p": 2}, {"v": 5}) == ([5, 0], [1, 2])
    assert numbers(Flow({}), None) is None


def test_an_offset_may_come_from_values_beside_a_scale_in_numbers() -> None:
    assert numbers(Flow({"p": [1e5, 3e5]}), 7, "data") == ([0, 2e5], [7, 7])
    assert numbers(Flow({"p": [1e5, 3e5]}), "data", 1) == ([1, 1], [1, 1e5])


def test_beside_hard_conditions_the_scale_is_over_the_largest_factor() -> None:
    ansatz = Ansatz(lambda x: torch.tensor([[0.0, 1e5]]).to(x).expand(len(x), 2), lambda x: 4 + 0 * x)
    assert numbers(Flow({"v": [0, 6], "p": [3e5]}, ansatz), "data") == ([0, 0], [0.75, 2.5e4])
    assert numbers(Flow({"v": [0, 6], "p": [3e5]}, ansatz)) is None


def test_values_on_faces_count() -> None:
    class Wall(Flow):
        def conditions(self) -> Sequence[Condition]:
            return [Dirichlet("wall", ("x", 0.0), lambda p: 300 + 0 * p, unknown="v")]

    assert numbers(Wall({})) == ([300, 0], [300, 1])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((0,), "output_scale=0 must be > 0; in YAML and on the command line it is --model.output_scale"),
        (([1.0, -1.0],), r"output_scale=\[1.0, -1.0\] must be > 0"),
        ((math.inf,), "output_scale=inf must be finite"),
        ((1, math.nan), "output_offset=nan must be finite"),
        (([1, 2, 3],), r"output_scale=\[1, 2, 3\] has shape \(3,\), and Flow has 2 unknowns, v, p: give one number"),
        (({"q": 1},), "unknown unknown in output_scale 'q': valid are v, p"),
        (("large",), "output_scale='large' must be a number, numbers, 'data', 'auto' or None"),
        ((1, "auto"), "output_offset='auto' must be a number, numbers, 'data' or None"),
        ((True,), "output_scale=True must be a number"),
        (("data",), "output_scale='data': Flow has no Dirichlet condition and no data that prescribe a value"),
        ((1, "data"), "output_offset='data': Flow has no Dirichlet condition"),
        ((object(),), "output_scale is <object .*>: it must be real numbers"),
    ],
)
def test_settings_that_make_no_scale_are_refused(settings: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        output_scale(Flow({}), *settings)
