from __future__ import annotations

import pytest
import torch
from torch import nn

from laaf_lightning.activations import AdaptiveActivation, adapt, adaptive_sites, named_slopes
from laaf_lightning.models import MLP, LeNet, PreActResNet18
from tests.activations.cases import noise, parameter


def names(model: nn.Module) -> list[str]:
    return [name for name, _ in named_slopes(model)]


@pytest.mark.parametrize("scope", ["layer", "neuron", "channel"])
def test_slopes_are_n_times_a_and_attached_to_the_graph(scope: str) -> None:
    model = MLP(2, 1, width=5, depth=3, scope=scope, n=4)  # type: ignore[arg-type]
    for site in model.activations:
        parameter(site).data.copy_(noise(*parameter(site).shape))
    for k, (name, slope) in enumerate(named_slopes(model)):
        a = parameter(model.activations[k])
        assert name == f"activations.{k}"
        assert torch.equal(slope, 4 * a)
        assert not slope.is_leaf
        (gradient,) = torch.autograd.grad(slope.sum(), a)
        assert torch.equal(gradient, torch.full_like(a, 4))


def test_slopes_come_in_forward_order() -> None:
    order: list[str] = []
    for model, image in ((LeNet(image_size=16), (1, 16)), (PreActResNet18(image_size=8), (3, 8))):
        order.clear()
        sites = adaptive_sites(model)
        for name, site in sites:
            site.register_forward_hook(lambda *_, name=name: order.append(name))
        model.eval()(torch.zeros(1, image[0], image[1], image[1]))
        assert order == [name for name, _ in sites]


def test_global_slope_comes_once_under_its_own_name() -> None:
    plain = nn.Sequential(nn.Tanh(), nn.Sequential(nn.Tanh()))
    for model in (MLP(2, 1, scope="global"), MLP(2, 1, depth=1, scope="global"), adapt(plain, "global", n=2)):
        assert names(model) == ["global"]
        assert names(nn.Sequential(model)) == ["global"]


def test_global_site_alone_is_called_by_its_place() -> None:
    assert names(nn.Sequential(nn.Linear(2, 2), AdaptiveActivation("tanh", "global"))) == ["1"]


def test_two_networks_with_a_global_slope_each_are_told_apart() -> None:
    model = nn.ModuleDict({"branch": MLP(2, 1, scope="global"), "trunk": MLP(2, 1, scope="global")})
    assert names(model) == ["branch.activations.0", "trunk.activations.0"]


def test_global_slope_beside_others_keeps_its_name() -> None:
    model = nn.Sequential(AdaptiveActivation("tanh"), MLP(2, 1, depth=2, scope="global"))
    assert names(model) == ["0", "global"]


def test_slope_shared_by_hand_counts_once_at_its_first_site() -> None:
    slope = nn.Parameter(torch.tensor(1.0))
    model = nn.Sequential(AdaptiveActivation("tanh"), *(AdaptiveActivation("tanh", slope=slope) for _ in range(2)))
    assert names(model) == ["0", "1"]


def test_sites_in_a_block_that_hangs_at_two_places_count_once() -> None:
    block = nn.Sequential(nn.Linear(2, 2), AdaptiveActivation("tanh"))
    assert names(nn.Sequential(block, block)) == ["0.1"]


def test_fixed_sites_and_plain_activations_are_absent() -> None:
    assert names(nn.Sequential(nn.Tanh(), AdaptiveActivation("tanh", "fixed"), AdaptiveActivation("tanh"))) == ["2"]


@pytest.mark.slow
def test_compiled_models_and_parts_have_the_names_of_the_plain_model() -> None:
    model = MLP(2, 1, depth=2)
    assert names(torch.compile(model)) == ["activations.0", "activations.1"]  # type: ignore[arg-type]
    model.activations[1] = torch.compile(model.activations[1])  # type: ignore[assignment]
    assert names(model) == ["activations.0", "activations.1"]
    assert names(torch.compile(nn.Sequential(model))) == ["0.activations.0", "0.activations.1"]  # type: ignore[arg-type]
