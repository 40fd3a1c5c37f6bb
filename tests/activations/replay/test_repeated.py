from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import laaf_lightning as laaf
from laaf_lightning.activations.replay.noted import notes_of, slope_keys
from laaf_lightning.activations.replay.repeated import adapt_as_noted
from tests.activations.adapting.models import Auxiliary, Functions, Repeated, Siamese

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


class Prelu(nn.Module):
    """One module with a parameter at two places, and its function beside them."""

    def __init__(self) -> None:
        super().__init__()
        act = nn.PReLU(4)
        self.net = nn.Sequential(nn.Linear(4, 4), act, nn.Linear(4, 4), act)
        self.other = act

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.prelu(self.net(x), self.other.weight)


def transformer() -> nn.Module:
    return nn.Sequential(nn.TransformerEncoderLayer(4, 2, 6, batch_first=True), nn.Linear(4, 2))


MODELS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "functions": (Functions, X),
    "repeated": (Repeated, X),
    "auxiliary": (Auxiliary, X),
    "siamese": (Siamese, (X, X + 1)),
    "prelu": (Prelu, X),
    "transformer": (transformer, X[:, None]),
}


@pytest.mark.parametrize("scope", ["global", "layer", "neuron", "fixed"])
@pytest.mark.parametrize("name", MODELS)
def test_the_same_is_done_to_another_model_without_data(name: str, scope: Any) -> None:
    build, example = MODELS[name]
    torch.manual_seed(1)
    model = build()
    twin = copy.deepcopy(model)
    adapted = laaf.adapt(model, scope, 3.0, example, feature_dim=-1 if name == "transformer" else None)
    notes = notes_of(adapted)
    if notes is None:
        assert scope == "fixed"
        return
    if scope != "fixed":
        assert slope_keys(notes) == adapted.state_dict().keys() - twin.state_dict().keys()
    adapt_as_noted(twin, notes)
    assert notes_of(twin) == notes
    with torch.no_grad():
        for parameter in adapted.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    twin.load_state_dict(adapted.state_dict())
    assert [name for name, _ in twin.named_parameters()] == [name for name, _ in adapted.named_parameters()]
    arguments = example if isinstance(example, tuple) else (example,)
    for training in (False, True):
        torch.manual_seed(2)
        expected = adapted.train(training)(*arguments)
        torch.manual_seed(2)
        found = twin.train(training)(*arguments)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_several_adaptations_of_one_model_are_repeated_together() -> None:
    def build() -> nn.Module:
        return nn.ModuleDict({"a": nn.Sequential(nn.Linear(4, 4), nn.Tanh()), "b": Functions()})

    model: Any = build()
    model["a"] = laaf.adapt(model["a"], "neuron", 2.0, X)
    model["b"] = laaf.adapt(model["b"], "layer", 5.0, X, where="gelu")
    twin = build()
    notes = notes_of(model)
    assert notes is not None
    adapt_as_noted(twin, notes)
    assert notes_of(twin) == notes
    assert [site.n for _, site in _sites(twin)] == [2.0, 5.0]


def _sites(model: nn.Module) -> list[tuple[str, laaf.AdaptiveActivation]]:
    return [(name, site) for name, site in model.named_modules() if isinstance(site, laaf.AdaptiveActivation)]


def test_precision_and_mode_are_the_models_own() -> None:
    notes = notes_of(laaf.adapt(Functions(), "layer", 2.0, X))
    assert notes is not None
    model = Functions().double().eval()
    adapt_as_noted(model, notes)
    assert {site.a.dtype for _, site in _sites(model) if site.a is not None} == {torch.float64}
    assert not any(module.training for module in model.modules())


def test_a_model_of_other_activations_is_refused_before_anything_changes() -> None:
    notes = notes_of(laaf.adapt(nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.GELU()), n=2))
    assert notes is not None
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU())
    with pytest.raises(laaf.ConfigurationError, match="'3' was a GELU and is a ReLU"):
        adapt_as_noted(model, notes)
    assert type(model[1]) is nn.Tanh
    with pytest.raises(laaf.ConfigurationError, match="'3' was a GELU, and there is nothing of that name"):
        adapt_as_noted(nn.Sequential(nn.Linear(4, 4), nn.Tanh()), notes)
    with pytest.raises(laaf.ConfigurationError, match="'1' was a Tanh and is an adapted Tanh"):
        adapt_as_noted(laaf.adapt(nn.Sequential(nn.Linear(4, 4), nn.Tanh(), model[2], nn.GELU())), notes)


def test_a_model_built_with_slopes_has_no_notes() -> None:
    assert notes_of(laaf.MLP(2, 1, width=3, depth=2, scope="layer")) is None
