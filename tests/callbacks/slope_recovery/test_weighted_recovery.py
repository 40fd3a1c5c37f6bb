from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from laaf_lightning.callbacks.slope_recovery.weighted_recovery import WeightedRecovery


def slopes(*values: float, **settings: Any) -> dict[str, nn.Parameter]:
    return {f"layer{i}": nn.Parameter(torch.tensor(value, **settings)) for i, value in enumerate(values)}


def test_without_weight_the_loss_itself_comes_back() -> None:
    loss = torch.ones(())
    assert WeightedRecovery(slopes(0.5), "exp", "mean").add_to(loss) is loss


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_weight_has_the_precision_of_s_and_changes_no_type(dtype: torch.dtype) -> None:
    recovery = WeightedRecovery(slopes(0.0, dtype=dtype), "exp", "mean")
    recovery.set_weight(0.1)
    objective = recovery.add_to(torch.zeros((), dtype=dtype))
    assert objective.dtype == dtype
    assert objective.item() == torch.tensor(0.1, dtype=dtype).item()


def test_a_half_precision_loss_gets_the_term_in_float32() -> None:
    recovery = WeightedRecovery(slopes(0.5, dtype=torch.bfloat16), "exp", "mean")
    recovery.set_weight(1.0)
    assert recovery.add_to(torch.zeros((), dtype=torch.bfloat16)).dtype == torch.float32


def test_a_loss_of_one_element_keeps_its_shape() -> None:
    recovery = WeightedRecovery(slopes(0.0), "exp", "mean")
    recovery.set_weight(2.0)
    assert recovery.add_to(torch.ones(1)).tolist() == [3.0]


def test_adding_the_term_never_waits_for_the_device() -> None:
    """The meta device has no values, so whatever needs one on the host raises there."""
    recovery = WeightedRecovery(slopes(0.5, 0.7, device="meta"), "exp", "mean")
    recovery.keeps_next_objective = True
    for weight in (0.0, 0.5, 0.25):
        recovery.set_weight(weight)
        assert recovery.add_to(torch.zeros((), device="meta")).device.type == "meta"
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        recovery.checked_value()


def test_the_weight_changes_in_place_so_that_a_captured_graph_sees_it() -> None:
    recovery = WeightedRecovery(slopes(0.0), "exp", "mean")
    recovery.set_weight(1.0)

    def step(loss: Tensor) -> Tensor:
        return recovery.add_to(loss)

    captured = make_fx(step)(torch.zeros(()))
    recovery.set_weight(3.0)
    assert captured(torch.zeros(())) == 3.0


def test_only_the_next_objective_is_kept_without_its_graph() -> None:
    recovery = WeightedRecovery(slopes(0.0), "exp", "mean")
    recovery.set_weight(1.0)
    kept = []
    for loss in (0.0, 10.0, 20.0):
        recovery.keeps_next_objective |= loss == 10
        recovery.add_to(torch.tensor(loss))
        kept.append(recovery.kept_objective)
    assert kept == [None, 11.0, 11.0]
    assert not torch.as_tensor(kept[-1]).requires_grad
