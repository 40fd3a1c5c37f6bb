"""Copies of a module that others make before, during and after it is adapted."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import StochasticWeightAveraging, WeightAveraging

import laaf_lightning as laaf
from laaf_lightning.activations.replay.noted import notes_of
from tests.callbacks.adapt_activations.foreign import Perceptron, fit


def test_a_copy_made_during_a_fit_has_its_own_methods(tmp_path: Path) -> None:
    class Copies(pl.Callback):
        def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            self.copy = copy.deepcopy(pl_module)

    copies, module = Copies(), Perceptron()
    fit(module, laaf.AdaptActivations("layer", slope_lr=0.5), copies)
    configured: Any = copies.copy.configure_optimizers()
    assert [len(group["params"]) for group in configured["optimizer"].param_groups] == [9]
    fit(copies.copy, laaf.AdaptActivations("layer"))
    assert vars(copies.copy).keys() == vars(module).keys()


def averaging() -> WeightAveraging:
    return WeightAveraging(avg_fn=lambda mean, new, count: (mean + new) / 2)


def test_an_average_of_weights_has_the_slopes() -> None:
    module = Perceptron()
    with pytest.warns(UserWarning, match="overrides the configure_model"):
        fit(module, laaf.AdaptActivations("layer"), averaging())
    assert all(slope.item() != 1 for _, slope in laaf.named_slopes(module))


def stochastic() -> StochasticWeightAveraging:
    return StochasticWeightAveraging(0.05, swa_epoch_start=2)


@pytest.mark.parametrize("average", [averaging, stochastic])
@pytest.mark.parametrize("scope", ["layer", "neuron"])
def test_a_copy_that_was_made_before_is_adapted_too(average: Any, scope: Any) -> None:
    torch.manual_seed(0)
    module, averages = Perceptron(schedule=False), average()
    fit(module, averages, laaf.AdaptActivations(scope, n=2, slope_lr=0.1), max_epochs=4)
    copied = getattr(averages._average_model, "module", averages._average_model)
    assert copied is not module
    assert notes_of(copied) == notes_of(module)
    assert [p.shape for p in copied.parameters()] == [p.shape for p in module.parameters()]
    assert all((slope != 1).any() for _, slope in laaf.named_slopes(module))


def test_a_copy_that_was_made_before_is_adapted_as_a_checkpoint_says(tmp_path: Path) -> None:
    fit(Perceptron(schedule=False), laaf.AdaptActivations("layer")).save_checkpoint(tmp_path / "a.ckpt")
    module, averages = Perceptron(schedule=False), stochastic()
    trainer = fit(module, averages, laaf.AdaptActivations(), max_epochs=4, ckpt_path=tmp_path / "a.ckpt")
    copied: Any = averages._average_model
    assert trainer.current_epoch == 4
    assert notes_of(copied) == notes_of(module) is not None
