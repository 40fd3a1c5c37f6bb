"""Settings and modules that `AdaptActivations` refuses, each with the way out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import laaf_lightning as laaf
from tests.callbacks.adapt_activations.foreign import Autoencoder, Perceptron, ValidatedRegression, fit


def test_modules_with_slopes_of_their_own_are_refused() -> None:
    class Own(Perceptron):
        def __init__(self) -> None:
            super().__init__()
            self.activation = laaf.AdaptiveActivation("tanh")  # type: ignore[assignment]

    class OwnLater(Perceptron):
        def setup(self, stage: str) -> None:
            self.activation = laaf.AdaptiveActivation("tanh")  # type: ignore[assignment]

    for module, data in ((laaf.FunctionRegressor(), ValidatedRegression()), (Own(), None), (OwnLater(), None)):
        with pytest.raises(laaf.ConfigurationError, match=r"has adaptive activations of its own.*\(--model\.scope\)"):
            fit(module, laaf.AdaptActivations("layer"), data=data)


def test_two_callbacks_with_a_scope_are_refused_and_one_without_gives_way() -> None:
    with pytest.raises(laaf.ConfigurationError, match="2 callbacks would adapt one module"):
        fit(Perceptron(), laaf.AdaptActivations("layer"), laaf.AdaptActivations("layer"))
    module = Perceptron()
    fit(module, laaf.AdaptActivations(), laaf.AdaptActivations("layer", slope_lr=0.1))
    assert len([*laaf.named_slopes(module)]) == 3


def test_wrong_arguments_are_refused() -> None:
    for arguments, text in {
        ("line",): "scope",
        ("layer", 0): "n=0",
        (None, 1, None, 0.1): r"slope_lr=0\.1 needs a scope, which is off: give scope='layer' \(--adapt\.scope layer\)",
        ("layer", 1, None, -1.0): r"slope_lr=-1\.0 must be a finite number >= 0, or None for the weights'",
        ("layer", 1, None, "high"): "slope_lr='high' must be a finite number",
        ("layer", 1, None, float("inf")): "slope_lr=inf must be a finite number",
    }.items():
        with pytest.raises(laaf.ConfigurationError, match=text):
            laaf.AdaptActivations(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"where": 5}, "^where=5 is neither a regular expression, nor names, nor a predicate"),
        ({"where": "("}, r"^where='\(' is no regular expression: missing \)"),
        (
            {"scope": "neuron", "feature_dim": {"activatoin": 1}},
            "unknown site in feature_dim.*did you mean 'activation'",
        ),
    ],
)
def test_settings_that_only_the_module_tells_are_wrong_are_refused(settings: Any, text: str) -> None:
    with pytest.raises(laaf.ConfigurationError, match=text):
        fit(Perceptron(), laaf.AdaptActivations(**{"scope": "layer", **settings}))


def test_a_module_that_cannot_be_run_names_the_way_out() -> None:
    class Fails(Perceptron):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyError("missing")

    class NoActivation(Autoencoder):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.Sequential(nn.Linear(2, 1)), nn.Sequential(nn.Linear(1, 2))

    with pytest.raises(laaf.ConfigurationError, match=r"its copy or its forward on a batch fails with KeyError"):
        fit(Fails(), laaf.AdaptActivations("layer"))
    with pytest.raises(laaf.ConfigurationError, match="NoActivation calls no elementwise activation"):
        fit(NoActivation(), laaf.AdaptActivations("layer"))


def test_wrapped_by_torch_compile_a_module_is_refused_with_the_way_out() -> None:
    class Part(Autoencoder):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = torch.compile(self.encoder)  # type: ignore[assignment]

    with pytest.raises(laaf.ConfigurationError, match=r"'encoder' of Part was compiled by torch\.compile.*in place"):
        fit(Part(), laaf.AdaptActivations("layer"))
    with pytest.raises(laaf.ConfigurationError, match=r"Perceptron was compiled by torch\.compile"):
        fit(torch.compile(Perceptron()), laaf.AdaptActivations("layer"))  # type: ignore[arg-type]
