from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import laaf_lightning as laaf
from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import PDE, Burgers, Dirichlet
from tests.solutions.equations import (
    RESIDUAL_POINTS,
    assert_same,
    oracle_residual,
    pinn_of,
    points_of,
)


class Fickle(PDE):
    """Asks for another derivative where there are many points, hence not in a dry run."""

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 1.0), "t": (0.0, 1.0)}

    def __init__(self, hard: bool = False) -> None:
        self.hard = hard

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("t") + (u.d("t", "x") if len(x["x"]) > 50 else u)

    def conditions(self) -> Sequence[Dirichlet]:
        return ()

    def ansatz(self) -> laaf.Ansatz | None:
        return laaf.Ansatz(torch.zeros_like, torch.ones_like) if self.hard else None


@pytest.mark.parametrize(("engine", "hard"), [("auto", False), ("auto", True), ("autograd", True)])
def test_a_derivative_that_is_asked_for_later_is_an_error_that_names_it(engine: Any, hard: bool) -> None:
    model = PINN(Fickle(hard), width=4, depth=1, engine=engine)
    model.residual(torch.rand(3, 2))
    sentence = r"u\.d\('x', 't'\) was not asked for when the residual was first run: .*, or take engine='autograd'"
    with pytest.raises(ConfigurationError, match=sentence):
        model.residual(torch.rand(51, 2))


def test_nested_autograd_can_be_asked_for_more_later() -> None:
    model = PINN(Fickle(), width=4, depth=1, engine="autograd").double()
    points = torch.rand(51, 2, dtype=torch.float64)
    assert_same(model.residual(points), oracle_residual(model, points))


def test_only_the_derivatives_that_are_asked_for_are_computed() -> None:
    model = pinn_of(Burgers())
    field = model.field(points_of(Burgers()).residual_points)
    asked = {("x",), ("t",), ("x", "x")}
    for by in itertools.chain.from_iterable(itertools.product("xt", repeat=order) for order in (1, 2, 3)):
        if by in asked:
            assert field.d(*by).shape == (RESIDUAL_POINTS, 1)
        else:
            with pytest.raises(ConfigurationError, match="was not asked for"):
                field.d(*by)
