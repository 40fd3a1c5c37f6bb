from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import ConstrainedField, Field, KnownFactors, Order, TaylorField, TaylorPlan
from laaf_lightning.models import MLP
from tests.derivatives.cases import Chain, Steep, points, randomised

pytestmark = pytest.mark.slow
ORDERS: tuple[Order, ...] = ((0,), (1,), (0, 0), (0, 0, 1))


@pytest.fixture(autouse=True)
def _forget_compiled_code() -> Iterator[None]:
    yield
    torch.compiler.reset()


def own_network() -> nn.Module:
    return nn.Sequential(
        Chain(nn.Linear(2, 5), Steep()),
        torch.nn.utils.parametrizations.weight_norm(nn.Linear(5, 5)),
        nn.Sequential(nn.GELU(), nn.Linear(5, 1)),
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "neuron": lambda: MLP(2, 1, width=5, depth=3, scope="neuron", n=5),
    "global": lambda: MLP(2, 1, width=5, depth=2, activation="sin", scope="global", n=5),
    "fixed": lambda: MLP(2, 1, width=5, depth=2, activation="silu", scope="fixed"),
    "own": own_network,
}


def residual(u: Field, orders: tuple[Order, ...]) -> Tensor:
    result = u.d("t") + u * u.d("x") - 0.1 * u.d("x", "x")
    return result + u.d("x", "x", "t") if (0, 0, 1) in orders else result


def loss_and_gradients(
    loss: Callable[[Tensor], Tensor], network: nn.Module, at: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    value = loss(at)
    return value.detach(), torch.autograd.grad(value, list(network.parameters()))


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_residual_equals_eager_without_a_graph_break(name: str) -> None:
    network = randomised(NETWORKS[name]())
    orders = ORDERS if name != "own" else ORDERS[:3]
    plan = TaylorPlan.of(network, orders)

    def loss(at: Tensor) -> Tensor:
        return residual(TaylorField(network, at, ["x", "t"], plan), orders).square().mean()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for count in (6, 9):
        at = points(2, count)
        expected = loss_and_gradients(loss, network, at)
        assert all(gradient.abs().max() > 0 for gradient in expected[1])
        got = loss_and_gradients(compiled, network, at)
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.long
# torch 2.14's inductor calls a function of its own by a deprecated name.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_generated_code_equals_eager_and_follows_the_parameters() -> None:
    network = randomised(NETWORKS["neuron"]())
    plan = TaylorPlan.of(network, ORDERS)

    def loss(at: Tensor) -> Tensor:
        return residual(TaylorField(network, at, ["x", "t"], plan), ORDERS).square().mean()

    compiled = torch.compile(loss, fullgraph=True)
    at = points(2, 64)
    for _ in range(2):
        expected = loss_and_gradients(loss, network, at)
        torch.testing.assert_close(loss_and_gradients(compiled, network, at), expected, rtol=1e-10, atol=1e-12)
        with torch.no_grad():
            for p in network.parameters():
                p.mul_(1.1)


def test_compiled_residual_with_hard_conditions_equals_eager() -> None:
    network = randomised(MLP(2, 2, width=5, depth=2, scope="neuron", n=5))
    orders = ORDERS[:3]
    plan = TaylorPlan.of(network, orders)

    def loss(at: Tensor, known: KnownFactors) -> Tensor:
        u = ConstrainedField(TaylorField(network, at, ["x", "t"], plan, ["v", "w"]), known)
        return residual(u, orders).square().mean()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for count in (6, 9):
        at = points(2, count)
        known = KnownFactors.at(at, ["x", "t"], orders, offset=torch.sin, factor=lambda p: p * (1 - p.flip(1) ** 2))
        expected = loss_and_gradients(lambda at, known=known: loss(at, known), network, at)  # type: ignore[misc]
        got = loss_and_gradients(lambda at, known=known: compiled(at, known), network, at)  # type: ignore[misc]
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14)
