from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

import laaf_lightning as laaf
from laaf_lightning.callbacks.resampling.residual_magnitudes import residual_magnitudes
from tests.trainers import quiet_trainer

POINTS = torch.rand(10, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Foreign(LightningModule):
    """Two equations, by autograd as one writes it by hand, behind what training mode would disturb."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, 3.0], dtype=dtype))
        self.dropout, self.norm = nn.Dropout(0.5), nn.BatchNorm1d(2, affine=False, eps=0.0)
        self.to(dtype)
        self.sizes: list[int] = []

    def residual(self, points: Tensor) -> Tensor:
        self.sizes.append(len(points))
        assert points.dtype == self.weight.dtype
        points = self.norm(self.dropout(points)).requires_grad_()
        (slope,) = torch.autograd.grad((self.weight * points**2).sum(), points, create_graph=True)
        return slope


def measured(module: Any, chunk_size: int = 10, **settings: Any) -> Tensor:
    return residual_magnitudes(quiet_trainer(**settings), module, POINTS, chunk_size)


@pytest.mark.parametrize(("chunk_size", "sizes"), [(4, [4, 4, 2]), (10, [10]), (100, [10])])
def test_is_the_norm_over_equations_whatever_the_chunks(chunk_size: int, sizes: list[int]) -> None:
    module = Foreign()
    expected = np.hypot(*(np.array([4, 6]) * POINTS.numpy()).T)
    np.testing.assert_allclose(measured(module, chunk_size), expected, rtol=1e-12)
    assert module.sizes == sizes


def test_one_equation_may_come_without_a_column() -> None:
    class Flat(Foreign):
        def residual(self, points: Tensor) -> Tensor:
            return -self.weight[0] * points[:, 0]

    np.testing.assert_allclose(measured(Flat()), 2 * POINTS[:, 0], rtol=1e-12)


def test_points_have_the_parameters_precision_and_the_result_is_double() -> None:
    single = measured(Foreign(torch.float32))
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, measured(Foreign()), rtol=1e-5, atol=0)


def test_leaves_no_trace() -> None:
    module = Foreign().train()
    module.norm.eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    torch.manual_seed(5)
    measured(module)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn)
    assert (module.training, module.dropout.training, module.norm.training) == (True, True, False)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert module.weight.grad is None


def test_autocast_of_the_trainer_holds() -> None:
    class Tells(Foreign):
        def residual(self, points: Tensor) -> Tensor:
            self.autocast = torch.is_autocast_enabled("cpu")
            return points

    module = Tells()
    measured(module, precision="bf16-mixed")
    assert module.autocast


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_residual_that_is_not_finite_is_an_error_that_names_a_point(value: float) -> None:
    class Singular(Foreign):
        def residual(self, points: Tensor) -> Tensor:
            return torch.where(points[:, :1] == POINTS[6, 0], value, points)

    with pytest.raises(laaf.ConfigurationError) as error:
        measured(Singular(), 4)
    assert "residual of Singular is not finite at 1 of 10 candidate points" in str(error.value)
    assert str(POINTS[6].tolist()) in str(error.value)
    assert "smaller learning rate" in str(error.value)


def test_a_residual_that_is_no_row_for_each_point_is_refused() -> None:
    class Mean(Foreign):
        def residual(self, points: Tensor) -> Tensor:
            return points.mean(dim=0)

    with pytest.raises(laaf.ConfigurationError, match=r"residual\(points\) of Mean has shape \(2,\) at 10 points"):
        measured(Mean())
