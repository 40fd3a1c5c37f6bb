from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laaf_lightning.derivatives import FusedField, FusedPlan, Order
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from tests.derivatives.cases import NAMES, derivatives, gradients, nonlinear_loss, points, randomised, up_to

pytestmark = pytest.mark.usefixtures("kernel")
SETS = st.lists(
    st.tuples(st.integers(0, 700), st.lists(st.sampled_from(up_to(2, 2)), max_size=3, unique=True)),
    min_size=1,
    max_size=3,
)


@pytest.fixture
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_threads")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sets=SETS, threads=st.integers(1, 5), seed=st.integers(0, 99))
def test_sets_of_points_at_once_are_each_as_if_alone(
    sets: list[tuple[int, list[Order]]], threads: int, seed: int
) -> None:
    torch.set_num_threads(threads)
    network = randomised(MLP(2, 2, width=6, depth=2, scope="neuron", n=5), seed)
    at = [points(2, count) * (1 - k / 10) for k, (count, _) in enumerate(sets)]
    plans = [FusedPlan.of(network, orders) for _, orders in sets]
    together = FusedField.at_sets(network, at, NAMES[:2], plans, NAMES[:2])
    alone = [FusedField(network, own, NAMES[:2], plan, NAMES[:2]) for own, plan in zip(at, plans, strict=True)]
    losses = []
    for fields in (together, alone):
        told = [derivatives(field, orders) for field, (_, orders) in zip(fields, sets, strict=True)]
        losses.append(sum((nonlinear_loss(values) for values in told), torch.zeros(())))
    for field, other, (_, orders) in zip(together, alone, sets, strict=True):
        assert all(map(torch.equal, derivatives(field, orders), derivatives(other, orders)))
    found, expected = (gradients(loss, network) for loss in losses)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_a_set_that_no_loss_asks_for_adds_nothing() -> None:
    network = randomised(MLP(2, 1, width=6, depth=2))
    plans = [FusedPlan.of(network, [(0, 0)]), FusedPlan.of(network, [])]
    u, _ = FusedField.at_sets(network, [points(2, 90), points(2, 40)], NAMES[:2], plans)
    alone = FusedField(network, points(2, 90), NAMES[:2], plans[0])
    found, expected = (gradients(field.d("x", "x").square().sum(), network) for field in (u, alone))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_set_of_another_dtype_is_refused() -> None:
    network = randomised(MLP(2, 1, width=6, depth=2))
    plans = [FusedPlan.of(network, [(0, 0)]), FusedPlan.of(network, [])]
    with pytest.raises(ConfigurationError, match=r"points are torch\.float32 on cpu, the network is torch\.float64"):
        FusedField.at_sets(network, [points(2), points(2).float()], NAMES[:2], plans)
