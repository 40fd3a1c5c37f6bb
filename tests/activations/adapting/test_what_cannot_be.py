"""Models that cannot be copied or run, places where slopes cannot be made, parts that are adaptive already."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import pytest
import torch
import torch.fx
from torch import Tensor, nn

from laaf_lightning.activations import activation_sites, adapt, adaptive_sites, named_slopes
from laaf_lightning.errors import ConfigurationError
from tests.activations.adapting.models import Auxiliary, Functions

X = torch.linspace(-2, 2, 24).reshape(6, 4)


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU())


class KeepsResult(nn.Module):
    """A model that holds what an earlier forward gave, with its graph."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.act = nn.Linear(4, 4), nn.Tanh()
        self.last: Any = None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.layer(x))
        self.last = y
        return y


@pytest.mark.parametrize(("last", "text"), [("a result", "graph leaves"), ("a lock", "cannot pickle '_thread.lock'")])
def test_model_that_cannot_be_copied_may_be_changed_itself(last: str, text: str) -> None:
    model = KeepsResult()
    model(X)
    if last == "a lock":
        model.last = threading.Lock()
    with pytest.raises(ConfigurationError, match=rf"KeepsResult cannot be copied \(.*{text}.*: .*inplace=True"):
        adapt(model, example_input=X)
    assert adapt(model, example_input=X, inplace=True) is model
    assert [name for name, _ in named_slopes(model)] == ["act"]


def test_slopes_are_not_made_in_inference_mode() -> None:
    with torch.inference_mode():
        assert len(activation_sites(plain(), X)) == 1
        with pytest.raises(ConfigurationError, match=r"adapt is called within torch\.inference_mode\(\)"):
            adapt(plain(), example_input=X)


def test_dimension_of_features_for_an_unknown_site_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown site in feature_dim 'act': valid are 1"):
        adapt(plain(), "channel", example_input=X, feature_dim={"act": 1})


@pytest.mark.parametrize("part", [nn.Tanh(), nn.Sequential(nn.Linear(4, 4), nn.Tanh())])
def test_scripted_part_is_left_out_by_name(part: nn.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nn.Sequential(plain(), torch.jit.script(part))
    with pytest.warns(UserWarning, match=r"1 of 2 activations of Sequential get no slope: 1.*: adapt the model before"):
        adapt(model, example_input=X)


class TakesMapping(nn.Module):
    """A forward of one argument, which is a mapping."""

    def __init__(self) -> None:
        super().__init__()
        self.net = plain()

    def forward(self, batch: dict[str, Tensor]) -> Any:
        return self.net(batch["x"])


def test_mapping_that_is_the_argument_itself_goes_in_a_tuple() -> None:
    assert [name for name, _ in named_slopes(adapt(TakesMapping(), example_input=({"x": X},)))] == ["net.1"]
    with pytest.raises(
        ConfigurationError, match=r"missing a required argument: 'batch'; .*, or \(batch,\) for a mapping"
    ):
        adapt(TakesMapping(), example_input={"x": X})


def test_a_traced_part_keeps_its_plain_activations() -> None:
    class Holds(Functions):
        def __init__(self) -> None:
            super().__init__()
            self.part = torch.fx.symbolic_trace(Auxiliary().eval())

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(self.part(torch.tanh(x)))

    model = Holds().eval()
    with pytest.warns(UserWarning, match="a traced, scripted or exported graph"):
        adapted = adapt(model, example_input=X)
    assert len(dict(named_slopes(adapted))) == 7
    assert torch.equal(adapted(X), model(X))


def test_calls_that_were_left_plain_are_named_when_their_forward_is_adapted_again() -> None:
    adapted = adapt(Functions(), example_input=X, where=["act", "adaptive_calls.gelu_1"])
    table = activation_sites(adapted, X)
    kinds = ["leaky_relu", "relu", "sigmoid", "tanh"]
    assert [site.name for site in table] == kinds
    assert all(str(site.left_out).startswith("left out when its forward was adapted") for site in table)
    assert table.notes == ("not listed: 2 that are adaptive already",)
    with pytest.raises(ConfigurationError, match=r"adapt: leaky_relu \(leaky_relu\): .* adapt the plain model once"):
        adapt(adapted, example_input=X)


def test_a_part_that_is_adaptive_already_stays_so_beside_the_rest() -> None:
    model = nn.Sequential(Functions(), nn.Linear(2, 4), Functions(), nn.ReLU())
    model[0] = adapt(Functions(), "neuron", 5, X)
    adapted = adapt(model, example_input=X, strict=True)
    assert [site.scope for _, site in adaptive_sites(adapted)] == ["neuron"] * 6 + ["layer"] * 7
    assert torch.equal(adapted(X), model(X))
