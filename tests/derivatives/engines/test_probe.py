from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.derivatives.engines.probe import as_it_was, outputs_at, refuse_mixing
from laaf_lightning.errors import ConfigurationError

POINTS = torch.rand(5, 2)


class Centred(nn.Module):
    """Takes the mean over points away, by no layer of torch's."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=0)


class AcrossPoints(nn.Module):
    """Attention from each point to all."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x)[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(2), nn.BatchNorm1d(2, affine=False), Centred(), AcrossPoints()])
@pytest.mark.parametrize("training", [True, False])
def test_a_network_that_mixes_points_in_training_is_refused(layer: nn.Module, training: bool) -> None:
    network = nn.Sequential(nn.Linear(2, 2), layer, nn.Tanh(), nn.Linear(2, 1)).train(training)
    name = r" \(BatchNorm1d\)" if isinstance(layer, nn.BatchNorm1d) else ""
    with pytest.raises(ConfigurationError, match=rf"Sequential mixes points: .* others{name}, so .*torch.nn.LayerNorm"):
        refuse_mixing(network, POINTS)


class Frozen(nn.BatchNorm1d):
    """Stays in eval mode."""

    def train(self, mode: bool = True) -> Frozen:
        return super().train(mode=False)


class Constant(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.ones(len(x), 1)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Linear(2, 4), nn.LayerNorm(4), nn.Dropout(0.5), nn.Linear(4, 1)),
        nn.Sequential(nn.Linear(2, 4), Frozen(4), nn.Linear(4, 1)),
        nn.utils.parametrizations.spectral_norm(nn.Linear(2, 1)),
        Constant(),
    ],
    ids=["layer norm and dropout", "frozen batch norm", "spectral norm", "constant"],
)
def test_a_network_that_keeps_points_apart_is_left_as_it_was(network: nn.Module) -> None:
    modes, random = [module.training for module in network.modules()], torch.get_rng_state()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    refuse_mixing(network, POINTS)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_nan_in_the_network_is_not_taken_for_mixing() -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    nn.init.constant_(network[0].weight, torch.nan)  # type: ignore[arg-type]
    refuse_mixing(network, POINTS)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_is_found_out_where_gradients_are_switched_off_too(mode: Any) -> None:
    network = nn.BatchNorm1d(2)
    with mode(), pytest.raises(ConfigurationError, match="mixes points"):
        refuse_mixing(network, POINTS)


def test_outputs_are_those_of_eval_mode_without_a_graph() -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
    outputs = outputs_at(network, POINTS)
    assert network.training
    assert not outputs.requires_grad
    torch.testing.assert_close(outputs, network.eval()(POINTS).detach())


def test_what_an_error_interrupts_is_put_back_too() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2)).eval()

    def fail() -> None:
        with as_it_was(network, training=True):
            network(POINTS)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not network.training
    assert not network.get_buffer("0.running_mean").any()


def test_a_graph_that_waits_for_its_backward_pass_bears_a_look_at_the_network() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    network.register_buffer("scale", torch.tensor([2.0, 3.0]))
    loss = (network.get_buffer("scale") * network(POINTS)).sum()
    with as_it_was(network, training=False):
        network(POINTS)
    loss.backward()
    with as_it_was(network):
        network.get_buffer("scale").zero_()
    assert network.get_buffer("scale").tolist() == [2.0, 3.0]
