from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import nn

from laaf_lightning.callbacks.loss_weights.gradient_norms import balanced_weights, gradient_of, norms_over_ranks
from laaf_lightning.errors import ConfigurationError

ALONE = SingleDeviceStrategy()


def test_gradient_is_one_vector_with_zeros_for_what_a_term_does_not_depend_on() -> None:
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1, 1))
    assert gradient_of((first * torch.tensor([3.0, 4.0])).sum(), [second, first]).tolist() == [0, 3, 4]
    assert gradient_of(torch.zeros(()), [second, first]).tolist() == [0, 0, 0]
    assert first.grad is second.grad is None


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_gradient_is_in_float32_at_least(dtype: torch.dtype, expected: torch.dtype) -> None:
    parameter = nn.Parameter(torch.ones(2, dtype=dtype))
    assert gradient_of(parameter.sum(), [parameter]).dtype == expected


def test_norms_are_euclidean() -> None:
    gradients = {"residual": torch.tensor([3.0, 4.0]), "data": torch.tensor([0.0, 2.0])}
    assert norms_over_ranks(gradients, ALONE) == {"residual": 5.0, "data": 2.0}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_an_error_that_names_the_term(value: float) -> None:
    gradients = {"residual": torch.ones(2), "data": torch.tensor([1.0, value])}
    with pytest.raises(ConfigurationError, match=r"gradient of the loss term 'data' is not finite.*smaller learning"):
        norms_over_ranks(gradients, ALONE)


def test_at_the_limit_all_weighted_gradients_have_one_norm() -> None:
    norms, weights = {"a": 5.0, "b": 0.02, "c": 300.0}, {"a": 7.0, "b": 1.0, "c": 0.1}
    for _ in range(400):
        weights = balanced_weights(norms, weights, momentum=0.9)
    np.testing.assert_allclose([norms[name] * weights[name] for name in norms], sum(norms.values()), rtol=1e-12)


def test_a_term_without_gradient_keeps_its_weight() -> None:
    weights = balanced_weights({"a": 2.0, "b": 0.0, "c": 2.0}, {"a": 1.0, "b": 0.3, "c": 1.0}, momentum=0.5)
    assert weights == {"a": 1.5, "b": 0.3, "c": 1.5}
    assert balanced_weights({"a": 0.0}, {"a": 0.3}, 0.5) == {"a": 0.3}
