from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laaf_lightning.metrics import ErrorsByColumn


@settings(max_examples=20)
@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any), seed=st.integers(0, 100))
def test_each_column_has_the_error_of_all_its_points(sizes: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scales = torch.tensor([1e-3, 1e3, 0.0])
    prediction, target = torch.randn(2, sum(sizes), 3, generator=generator)
    target = scales * target
    metric = ErrorsByColumn(3)
    for batch in zip(prediction.split(sizes), target.split(sizes), strict=True):
        metric.update(*batch)
    errors, is_relative = metric.compute()
    u_hat, u = prediction.double().numpy(), target.double().numpy()
    relative = np.linalg.norm(u_hat - u, axis=0)[:2] / np.linalg.norm(u, axis=0)[:2]
    assert errors.tolist() == pytest.approx([*relative, np.sqrt(np.mean(u_hat[:, 2] ** 2))], rel=1e-12)
    assert is_relative.tolist() == [True, True, False]


def test_a_column_that_is_zero_in_one_batch_alone_is_measured_relatively() -> None:
    metric = ErrorsByColumn(1)
    metric.update(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
    metric.update(torch.tensor([[2.0]]), torch.tensor([[2.0]]))
    errors, is_relative = metric.compute()
    assert (errors.item(), is_relative.item()) == (0.5, True)
