from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import SCOPES, Scope, slope_parameter_groups
from laaf_lightning.models import MLP, LeNet, PreActResNet18
from laaf_lightning.models.sites import SiteFactory
from tests.activations.cases import parameter

Build = Callable[[Scope], nn.Module]
# model, an input, sites, neurons at the sites
MODELS: dict[str, tuple[Build, tuple[int, ...], int, int]] = {
    "mlp": (lambda scope: MLP(2, 3, width=7, depth=4, scope=scope, n=2), (6, 2), 4, 28),
    "lenet": (
        lambda scope: LeNet(3, image_size=16, hidden=11, activation="tanh", scope=scope, n=2),
        (6, 1, 16, 16),
        3,
        64 * 36 + 64 + 11,
    ),
    "preact_resnet18": (
        lambda scope: PreActResNet18(3, image_size=8, activation="tanh", scope=scope, n=2),
        (6, 3, 8, 8),
        17,
        5 * 64 * 64 + 4 * 128 * 16 + 4 * 256 * 4 + 4 * 512,
    ),
}


def slopes_of(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if name.rpartition(".")[2] == "a"}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("scope", SCOPES)
def test_every_slope_is_counted_and_moves_in_one_step(scope: Scope, name: str) -> None:
    build, shape, sites, neurons = MODELS[name]
    torch.manual_seed(0)
    model = build(scope).double()
    slopes = slopes_of(model)
    assert len(slopes) == {"fixed": 0, "global": 1}.get(scope, sites)
    units = sum(p.numel() for p in slopes.values())
    if scope != "channel":
        assert units == {"fixed": 0, "global": 1, "layer": sites, "neuron": neurons}[scope]
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    optimizer = torch.optim.SGD(slope_parameter_groups(model), lr=1.0)
    nn.functional.cross_entropy(model(torch.randn(shape, dtype=torch.float64)), torch.arange(6) % 3).backward()
    optimizer.step()
    for key, p in slopes.items():
        assert (p != before[key]).all(), key
    assert all((p != before[key]).any() for key, p in model.named_parameters())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("scope", SCOPES)
def test_scopes_start_from_the_same_function(scope: Scope, name: str) -> None:
    build, shape, _, _ = MODELS[name]
    outputs: list[Tensor] = []
    for which in ("fixed", scope):
        torch.manual_seed(0)
        outputs.append(build(which)(torch.randn(shape)))
    assert torch.equal(outputs[0], outputs[1])


def test_sites_of_one_factory_share_only_a_global_slope() -> None:
    for scope in SCOPES:
        factory = SiteFactory("tanh", scope, 2.0)
        sites = [factory.features(3), factory.features(3), factory.maps(3, 2)]
        distinct = len({id(parameter(site)) for site in sites if site.a is not None})
        assert distinct == {"fixed": 0, "global": 1}.get(scope, 3)


def test_factories_share_nothing() -> None:
    one, other = (SiteFactory("tanh", "global", 2.0).features(3) for _ in range(2))
    assert parameter(one) is not parameter(other)


@pytest.mark.parametrize(
    ("scope", "features", "maps"),
    [("global", (), ()), ("layer", (), ()), ("channel", (5,), (5, 1, 1)), ("neuron", (5,), (5, 4, 4))],
)
def test_factory_gives_slopes_the_shape_of_the_scope(
    scope: Scope, features: tuple[int, ...], maps: tuple[int, ...]
) -> None:
    factory = SiteFactory("tanh", scope, 2.0)
    assert parameter(factory.features(5)).shape == features
    assert parameter(factory.maps(5, 4)).shape == maps
