from __future__ import annotations

import pytest
import torch

from laaf_lightning.activations import SCOPES, Scope
from laaf_lightning.derivatives import FusedField, FusedPlan
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from tests.derivatives.cases import derivatives, gradients, nonlinear_loss, points, randomised, up_to

pytestmark = pytest.mark.usefixtures("kernel")


def networks_of(count: int, scope: Scope = "neuron", width: int = 7) -> list[MLP]:
    networks = [MLP(2, 2, width=width, depth=2, scope=scope, n=5) for _ in range(count)]
    for seed, network in enumerate(networks):
        randomised(network, seed)
    return networks


@pytest.mark.parametrize("own_points", [False, True])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("count", "of_points"), [(1, 70), (3, 500), (7, 130)])
def test_networks_at_once_are_each_as_if_alone(count: int, of_points: int, scope: Scope, own_points: bool) -> None:
    networks, orders = networks_of(count, scope), up_to(2, 2)
    shared = points(2, of_points)
    each = [shared * (1 - k / 10) if own_points else shared for k in range(count)]
    fields = FusedField.of_networks(
        networks, torch.stack(each) if own_points else shared, ["x", "t"], orders, ["v", "w"]
    )
    losses = [nonlinear_loss(derivatives(u, orders)) for u in fields]
    total = sum(losses, torch.zeros(()))
    for network, at, loss in zip(networks, each, losses, strict=True):
        alone = nonlinear_loss(derivatives(FusedField(network, at, ["x", "t"], orders, ["v", "w"]), orders))
        torch.testing.assert_close(loss, alone, rtol=1e-12, atol=1e-12)
        found = torch.autograd.grad(total, list(network.parameters()), retain_graph=True)
        torch.testing.assert_close(list(found), gradients(alone, network), rtol=1e-10, atol=1e-10)


def test_seeds_that_train_together_end_where_each_alone_ends() -> None:
    def train(networks: list[MLP], together: bool) -> None:
        at = points(2, 300)
        plans = [FusedPlan.of(network, [(0, 0), (1,)]) for network in networks]
        optimizer = torch.optim.Adam([p for network in networks for p in network.parameters()], lr=1e-2)
        for _ in range(20):
            if together:
                fields = FusedField.of_networks(networks, at, ["x", "t"], plans, ["v", "w"])
            else:
                pairs = zip(networks, plans, strict=True)
                fields = [FusedField(network, at, ["x", "t"], plan, ["v", "w"]) for network, plan in pairs]
            optimizer.zero_grad()
            sum(((u.d("t") - u.d("x", "x") + u).square().mean() for u in fields), torch.zeros(())).backward()
            optimizer.step()

    first, second = networks_of(4), networks_of(4)
    train(first, together=True)
    train(second, together=False)
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("other", [MLP(2, 2, width=8, depth=2, scope="neuron"), MLP(2, 2, width=7, depth=3)])
def test_networks_of_another_shape_are_refused_by_their_number(other: MLP) -> None:
    networks = [*networks_of(2), other.double()]
    with pytest.raises(ConfigurationError, match=r"network 2 has other layers, activations, slopes or derivatives"):
        FusedField.of_networks(networks, points(2), ["x", "t"], [(0,)], ["v", "w"])


def test_plans_and_networks_that_do_not_pair_up_are_refused() -> None:
    networks = networks_of(2)
    plans = [FusedPlan.of(network, [(0,)]) for network in networks]
    with pytest.raises(ConfigurationError, match="2 networks and 1 plans: give a plan for each, or orders"):
        FusedField.of_networks(networks, points(2), ["x", "t"], plans[:1], ["v", "w"])
    with pytest.raises(ConfigurationError, match="0 networks and 0 plans"):
        FusedField.of_networks([], points(2), ["x", "t"], [(0,)], ["v", "w"])
