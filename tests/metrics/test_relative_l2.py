from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics import MeanSquaredError, MetricCollection

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.metrics import RelativeL2Error
from tests.metrics import rank_cases
from tests.ranks import run_on_two_ranks


def reference(prediction: Tensor, target: Tensor) -> float:
    u_hat, u = prediction.numpy().astype(np.float64), target.numpy().astype(np.float64)
    return float(np.linalg.norm(u_hat - u) / np.linalg.norm(u))


def random_pair(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    prediction, target = torch.randn(2, count, 1, generator=generator)
    return prediction, target


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any), seed=st.integers(0, 1000))
def test_value_over_uneven_minibatches_is_numpys_over_all_points(sizes: list[int], seed: int) -> None:
    prediction, target = random_pair(sum(sizes), seed)
    metric = RelativeL2Error()
    for batch in zip(prediction.split(sizes), target.split(sizes), strict=True):
        metric.update(*batch)
    value = metric.compute()
    assert value.dtype == torch.float64
    assert value.shape == ()
    assert value.item() == pytest.approx(reference(prediction, target), rel=1e-14)


def test_float32_points_are_summed_in_float64() -> None:
    # 1 + 10⁶·1e-8: the small squares vanish one by one in float32.
    target = torch.tensor([1.0, *[1e-4] * 1000])
    prediction = torch.zeros(1001)
    metric = RelativeL2Error()
    metric.update(target[:1] + 1, target[:1])
    for _ in range(1000):
        metric.update(prediction[1:], target[1:])
    small = 1e6 * float(np.float32(1e-4)) ** 2
    assert metric.squared_target.item() == pytest.approx(1 + small, rel=1e-12)
    assert metric.compute().item() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_differences_of_low_precision_points_are_taken_in_float64(dtype: torch.dtype) -> None:
    prediction, target = (part.to(dtype) for part in random_pair(50))
    metric = RelativeL2Error()
    metric.update(prediction, target)
    assert metric.compute().item() == pytest.approx(reference(prediction.double(), target.double()), rel=1e-14)


def test_casting_the_module_that_holds_it_leaves_its_precision() -> None:
    holder = torch.nn.ModuleDict({"metric": RelativeL2Error()})
    holder.to(torch.bfloat16).half().float()
    metric = holder["metric"]
    assert isinstance(metric, RelativeL2Error)
    metric.update(*random_pair(5))
    assert metric.compute().dtype == torch.float64
    assert metric.compute().item() == pytest.approx(reference(*random_pair(5)), rel=1e-14)


@pytest.mark.parametrize(("prediction", "target"), [((3, 1), (3,)), ((2, 1), (3, 1)), ((), (1,))])
def test_shapes_that_differ_are_refused_instead_of_broadcast(prediction: tuple[int], target: tuple[int]) -> None:
    metric = RelativeL2Error()
    message = rf"prediction of shape \({', '.join(map(str, prediction))},?\) and target of shape .* must agree"
    with pytest.raises(ConfigurationError, match=message):
        metric.update(torch.zeros(prediction), torch.zeros(target))


def test_reset_forgets_all_points() -> None:
    metric = RelativeL2Error()
    metric.update(*random_pair(8, seed=1))
    metric.reset()
    metric.update(*random_pair(8, seed=2))
    assert metric.compute().item() == pytest.approx(reference(*random_pair(8, seed=2)), rel=1e-14)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda metric: pickle.loads(pickle.dumps(metric))], ids=["deepcopy", "pickle"]
)
def test_copies_keep_the_points_and_go_on_by_themselves(copied: Callable[[RelativeL2Error], RelativeL2Error]) -> None:
    metric = RelativeL2Error()
    (p1, t1), (p2, t2) = random_pair(8, seed=1), random_pair(5, seed=2)
    metric.update(p1, t1)
    twin = copied(metric)
    twin.update(p2, t2)
    assert metric.compute().item() == pytest.approx(reference(p1, t1), rel=1e-14)
    assert twin.compute().item() == pytest.approx(reference(torch.cat([p1, p2]), torch.cat([t1, t2])), rel=1e-14)


def test_target_of_zeros_gives_infinity_or_nan_and_not_an_error() -> None:
    wrong, right = RelativeL2Error(), RelativeL2Error()
    wrong.update(torch.ones(3), torch.zeros(3))
    right.update(torch.zeros(3), torch.zeros(3))
    assert wrong.compute().item() == np.inf
    assert np.isnan(right.compute().item())


def test_forward_returns_the_batchs_value_with_a_gradient_and_adds_to_the_whole() -> None:
    metric = RelativeL2Error()
    (p1, t1), (p2, t2) = random_pair(8, seed=1), random_pair(5, seed=2)
    metric.update(p1, t1)
    prediction = p2.clone().requires_grad_()
    value = metric(prediction, t2)
    value.backward()
    assert value.item() == pytest.approx(reference(p2, t2), rel=1e-14)
    expected = (p2 - t2) / ((p2 - t2).norm() * t2.norm())
    torch.testing.assert_close(prediction.grad, expected)
    whole = metric.compute()
    assert whole.item() == pytest.approx(reference(torch.cat([p1, p2]), torch.cat([t1, t2])), rel=1e-14)


def test_update_keeps_no_graph() -> None:
    metric = RelativeL2Error()
    prediction, target = random_pair(4)
    metric.update(prediction.requires_grad_(), target)
    assert not metric.squared_error.requires_grad


def test_stands_beside_other_metrics_in_a_collection() -> None:
    collection = MetricCollection({"relative_l2": RelativeL2Error(), "mse": MeanSquaredError()})
    prediction, target = random_pair(11)
    for batch in zip(prediction.split([4, 7]), target.split([4, 7]), strict=True):
        collection.update(*batch)
    values = collection.compute()
    assert values["relative_l2"].item() == pytest.approx(reference(prediction, target), rel=1e-14)
    assert values["mse"].item() == pytest.approx(((prediction - target) ** 2).mean().item(), rel=1e-6)


@pytest.mark.long
@pytest.mark.slow
def test_two_ranks_with_unequal_shards_agree_with_one_process() -> None:
    case = "tests.metrics.rank_cases:unequal_shards"
    prediction, target = rank_cases.points()
    both = torch.cat([prediction, 2 * prediction]), torch.cat([target, target])
    expected = [reference(prediction, target), reference(prediction, target), reference(*both)]
    for results in run_on_two_ranks([case]):
        assert results[case] == pytest.approx(expected, rel=1e-14)
