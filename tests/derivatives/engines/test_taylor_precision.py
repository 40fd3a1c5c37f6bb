from __future__ import annotations

import pytest
import torch
from torch import Tensor

from laaf_lightning.activations import Scope
from laaf_lightning.derivatives import TaylorField
from laaf_lightning.models import MLP
from tests.derivatives.cases import ACTIVATIONS, derivatives, gradients, nonlinear_loss, points, randomised, up_to


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_single_precision_agrees_with_double(activation: str) -> None:
    network = randomised(MLP(2, 1, width=8, depth=3, activation=activation, scope="neuron", n=5))
    orders, at = up_to(2, 2), points(2, 50)

    def found(dtype: torch.dtype) -> list[Tensor]:
        terms = derivatives(TaylorField(network.to(dtype), at.to(dtype), ["x", "t"], orders), orders)
        residual = terms[0] * terms[1] + terms[2] - terms[3] + terms[4] + terms[5]
        return [*terms, *gradients(residual.mean(), network)]

    for got, expected in zip(found(torch.float32), found(torch.float64), strict=True):
        assert got.dtype == torch.float32
        assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("scope", ["fixed", "neuron"])
def test_half_precision_by_autocast_is_near_single_precision(activation: str, scope: Scope) -> None:
    network = randomised(MLP(2, 1, width=8, depth=2, activation=activation, scope=scope, n=5)).float()
    at, orders = points(2, 50, torch.float32), [(0, 0, 0), (0, 1)]
    exact = derivatives(TaylorField(network, at, ["x", "t"], orders), orders)
    with torch.autocast("cpu", torch.bfloat16):
        found = derivatives(TaylorField(network, at, ["x", "t"], orders), orders)
    assert found[0].dtype == torch.bfloat16
    for got, expected in zip(found, exact, strict=True):
        torch.testing.assert_close(got.float(), expected, rtol=0, atol=0.1 * expected.abs().max().item() + 1e-6)
    assert all(gradient.isfinite().all() for gradient in gradients(nonlinear_loss(found).float(), network))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_of_points_and_network_is_kept(dtype: torch.dtype) -> None:
    network = randomised(MLP(2, 2, width=4, depth=2, scope="neuron", n=5)).to(dtype)
    u = TaylorField(network, points(2, dtype=dtype), ["x", "t"], [(0, 0), (1,)], ["v", "w"])
    assert {value.dtype for value in (u.value, u.d("x"), u.d("t"), u.d("x", "x"))} == {dtype}


def test_device_of_points_and_network_is_kept() -> None:
    network = MLP(2, 1, width=4, depth=2, scope="neuron", n=5).to("meta")
    u = TaylorField(network, torch.zeros(5, 2, device="meta"), ["x", "t"], [(0, 0), (1,)])
    assert {value.device.type for value in (u.value, u.d("x"), u.d("t"), u.d("x", "x"))} == {"meta"}
