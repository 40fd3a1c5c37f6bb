from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import Burgers
from tests.solutions.equations import assert_same, pinn_of, points_of


def test_weights_are_tensors_that_stay_where_they_are_and_out_of_the_state() -> None:
    model = PINN(Burgers(), width=4, depth=1, weight_data=0.1)
    place = model.weight_data.data_ptr()
    assert (model.weight_data.shape, model.weight_data.item()) == ((), 0.1)
    model.weight_data = 2.5
    assert (model.weight_data.data_ptr(), model.weight_data.item()) == (place, 2.5)
    model.weight_data = torch.tensor(3.0)
    assert (model.weight_data.data_ptr(), model.weight_data.item()) == (place, 3.0)
    model.weight_data = np.float32(4.0)
    assert (model.weight_data.data_ptr(), model.weight_data.item()) == (place, 4.0)
    assert not [name for name in model.state_dict() if "weight_data" in name]
    assert any(model.weight_data is buffer for buffer in model.buffers())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loss_is_weighted_with_the_number_that_was_assigned_in_its_own_precision(dtype: torch.dtype) -> None:
    model, batch = pinn_of(Burgers(), weight_residual=0.3).to(dtype), points_of(Burgers())
    batch = batch._replace(**{name: getattr(batch, name).to(dtype) for name in batch._fields[:3]})
    model.weight_data = 0.7
    terms = model.loss_terms(batch)
    loss = model.loss(batch)
    assert loss.dtype == dtype
    assert_same(loss, 0.3 * terms["residual"] + 0.7 * terms["data"])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_have_weights_of_their_own(copied: Callable[[PINN], PINN]) -> None:
    model = PINN(Burgers(), width=4, depth=1, weight_residual=0.5)
    twin = copied(model)
    twin.weight_residual = 4.0
    assert (model.weight_residual.item(), twin.weight_residual.item()) == (0.5, 4.0)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "1", None, torch.ones(2)], ids=repr)
def test_what_is_no_weight_is_refused_and_changes_nothing(weight: Any) -> None:
    model = PINN(Burgers(), width=4, depth=1)
    with pytest.raises(ConfigurationError, match=r"weight_data=.* must be finite and >= 0, a number or a 0-dim tensor"):
        model.weight_data = weight
    assert model.weight_data.item() == 1.0
