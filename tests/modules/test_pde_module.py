from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import Burgers
from tests.solutions.equations import assert_same, pinn_of, points_of


def test_a_forward_of_ones_own_is_refused_since_the_residual_would_not_see_it() -> None:
    class Scaled(PINN):
        def forward(self, inputs: Tensor) -> Tensor:
            return 2 * super().forward(inputs)

    with pytest.raises(
        ConfigurationError,
        match=r"Scaled has a forward of its own, which validation would use and the residual would not: let build_net",
    ):
        Scaled(Burgers(), width=4, depth=1)

    class Both(Scaled):
        def field(self, points: Tensor, known: Any = None, *, at_conditions: bool = False) -> Field:
            return super().field(points, known, at_conditions=at_conditions)

    assert Both(Burgers(), width=4, depth=1)(torch.rand(2, 2)).shape == (2, 1)


def test_a_residual_that_is_set_on_the_module_takes_part_in_the_loss() -> None:
    model, batch = pinn_of(Burgers()), points_of(Burgers())
    expected = model.loss_terms(batch)["residual"]
    model.residual = lambda points, known=None: 3 * PINN.residual(model, points, known)  # type: ignore[method-assign]
    assert_same(model.loss_terms(batch)["residual"], 9 * expected)
    del model.residual
    assert_same(model.loss_terms(batch)["residual"], expected)


def test_chunks_and_recordings_can_be_set_between_steps() -> None:
    model = PINN(Burgers(), width=4, depth=1, chunk_size=7)
    assert (model.chunk_size, model.cuda_graphs) == (7, False)
    model.chunk_size, model.cuda_graphs = None, True
    assert (model.solution.chunk_size, model.solution.cuda_graphs) == (None, True)
