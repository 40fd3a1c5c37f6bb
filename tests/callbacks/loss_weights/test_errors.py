from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import laaf_lightning as laaf
from tests.callbacks.loss_weights.test_adaptive import Linear, batches, fit
from tests.callbacks.plain_training import PlainModule, adapted, one_epoch_trainer


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"every_n_steps": 0}, "every_n_steps=0 of AdaptiveLossWeights must be >= 1"),
        ({"momentum": 1.0}, "momentum=1.0 of AdaptiveLossWeights must be >= 0 and < 1"),
        ({"momentum": -0.1}, "momentum=-0.1 of"),
        ({"momentum": math.nan}, "momentum=nan of"),
    ],
)
def test_settings_outside_their_range_are_refused_by_name(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(laaf.ConfigurationError, match=text):
        laaf.AdaptiveLossWeights(**settings)


def test_a_module_without_loss_terms_is_refused_with_the_way_out() -> None:
    with pytest.raises(laaf.ConfigurationError) as error:
        fit(adapted(PlainModule()), laaf.AdaptiveLossWeights(), 1.0)
    assert "needs a method loss_terms(batch) of PlainModule: write it, or switch" in str(error.value)
    assert "--adaptive_loss_weights.enabled false" in str(error.value)


def test_manual_optimisation_is_refused() -> None:
    module = Linear()
    module.automatic_optimization = False
    with pytest.raises(laaf.ConfigurationError, match="before each optimiser step, and Linear optimises manually"):
        fit(module, laaf.AdaptiveLossWeights(), 1.0)


@pytest.mark.parametrize("value", [None, "1.0", torch.ones(2)])
def test_a_term_without_a_weight_that_is_a_number_is_refused_by_its_name(value: Any) -> None:
    module = Linear()
    module.weight_data = value
    with pytest.raises(laaf.ConfigurationError, match=r"term 'data' of Linear.loss_terms by the attribute weight_data"):
        fit(module, laaf.AdaptiveLossWeights(), 1.0)


def test_two_callbacks_are_refused_and_one_that_is_off_does_not_count() -> None:
    callbacks = [laaf.AdaptiveLossWeights(), laaf.AdaptiveLossWeights(5)]
    with pytest.raises(laaf.ConfigurationError, match=r"several AdaptiveLossWeights .* keep one"):
        one_epoch_trainer(*callbacks).fit(Linear(), batches(1.0))
    callbacks[1].enabled = False
    one_epoch_trainer(*callbacks).fit(Linear(), batches(1.0))


def test_slope_recovery_that_is_not_there_cannot_be_balanced() -> None:
    with pytest.raises(laaf.ConfigurationError, match=r"slope_recovery=True\) balances the weight of SlopeRecovery"):
        fit(Linear(), laaf.AdaptiveLossWeights(slope_recovery=True), 1.0)


def test_a_network_with_nothing_to_train_is_refused() -> None:
    class Frozen(Linear):
        def __init__(self) -> None:
            super().__init__()
            self.network = torch.nn.Linear(1, 1).requires_grad_(False)

    with pytest.raises(laaf.ConfigurationError, match="by the network's parameters, and Linear has none"):
        fit(Frozen(), laaf.AdaptiveLossWeights(), 1.0)


def test_gradients_that_are_not_finite_end_the_run() -> None:
    class Diverged(Linear):
        def loss_terms(self, batch: Tensor) -> dict[str, Tensor]:
            return {**super().loss_terms(batch), "data": self.a[0] * math.inf}

    with pytest.raises(laaf.ConfigurationError, match="gradient of the loss term 'data' is not finite"):
        fit(Diverged(), laaf.AdaptiveLossWeights(), 1.0)
