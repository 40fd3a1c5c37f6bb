from __future__ import annotations

import logging
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import laaf_lightning as laaf
from laaf_lightning.callbacks.slope_recovery.refusals import warn_about_line_search
from tests.callbacks.plain_training import Batches, PlainModule, adapted, one_epoch_trainer, regression_batches

BATCHES = regression_batches()
WAY_OUT = r"set the weight to 0 to train without it \(--slope_recovery\.weight 0\)"


class Manual(PlainModule):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self.loss(batch))
        optimizer.step()


def parameters_of(module: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def assert_refused(module: Any, text: str, *callbacks: Any) -> None:
    before = parameters_of(module)
    with pytest.raises(laaf.ConfigurationError, match=text):
        one_epoch_trainer(*callbacks).fit(module, Batches(BATCHES))
    assert all(map(torch.equal, before, module.parameters())), "it was trained first"


def test_a_weight_on_a_model_without_adaptive_activations_is_refused() -> None:
    text = rf"weight ConstantWeight\(weight=1\.0\), but PlainModule has no AdaptiveActivation: .*\.adapt, or {WAY_OUT}"
    assert_refused(PlainModule(), text, laaf.SlopeRecovery())


def test_a_schedule_on_a_model_without_adaptive_activations_is_refused() -> None:
    assert_refused(
        PlainModule(), rf"OffAfter\(weight=1\.0, steps=9\).*{WAY_OUT}", laaf.SlopeRecovery(laaf.OffAfter(steps=9))
    )


def test_manual_optimisation_is_refused_and_told_what_to_add_instead() -> None:
    text = rf"loss of Manual, which optimises manually: add laaf_lightning\.slope_recovery\(self\) .*{WAY_OUT}"
    assert_refused(adapted(Manual()), text, laaf.SlopeRecovery())


@pytest.mark.parametrize("weight", [0, laaf.OffAfter(0.0), laaf.LinearDecay(0.0)])
@pytest.mark.parametrize("module_class", [PlainModule, Manual])
@pytest.mark.parametrize("has_slopes", [True, False])
def test_at_weight_zero_every_module_trains(module_class: type[PlainModule], weight: Any, has_slopes: bool) -> None:
    module = adapted(module_class()) if has_slopes else module_class()
    before = parameters_of(module)
    one_epoch_trainer(laaf.SlopeRecovery(weight)).fit(module, Batches(BATCHES))
    assert not any(map(torch.equal, before, module.parameters()))


def test_the_control_with_fixed_activations_says_once_that_nothing_is_added(caplog: pytest.LogCaptureFixture) -> None:
    for module in (adapted(PlainModule(), "fixed"), adapted(Manual(), "fixed")):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            one_epoch_trainer(laaf.SlopeRecovery(), max_epochs=2).fit(module, Batches(BATCHES))
        said = [record.message for record in caplog.records if "Slope recovery" in record.message]
        assert said == ["Slope recovery: all activations have scope 'fixed', so nothing is added to the loss."]


class Special(laaf.SlopeRecovery):
    """A subclass, for which Lightning itself sees nothing in common."""


@pytest.mark.parametrize("second", [laaf.SlopeRecovery, Special])
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_two_in_one_trainer_are_refused_by_name_with_the_command_lines_key(second: Any, weight: float) -> None:
    text = (
        rf"2 callbacks would each add and log slope recovery: SlopeRecovery\(weight=ConstantWeight\(weight=1\.0\), "
        rf"operator='exp', reduction='mean'\) and {second.__name__}\(weight=ConstantWeight\(weight={weight}\).*keep one"
        r".*--slope_recovery\.weight.*leave SlopeRecovery out of trainer\.callbacks"
    )
    assert_refused(adapted(PlainModule()), text, laaf.SlopeRecovery(), second(weight))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"weight": laaf.OffAfter},
            r"weight=OffAfter of the .* is a class: give an instance, weight=OffAfter\(…\), or on the ",
        ),
        ({"weight": -0.1}, r"weight=-0\.1 of the slope recovery term must be a finite number >= 0"),
        ({"operator": "expp"}, r"unknown operator 'expp': valid are exp, identity, softplus; did you mean 'exp'\?"),
        ({"operator": 3}, r"operator=3 is neither a callable nor one of exp"),
        ({"reduction": "average"}, r"unknown reduction 'average': valid are mean, sum"),
        ({"log_every_n_steps": 0}, r"log_every_n_steps=0 must be >= 1, or None for the Trainer's"),
        ({"log_every_n_steps": -5}, r"log_every_n_steps=-5 must be >= 1"),
    ],
)
def test_wrong_settings_are_refused_when_the_callback_is_made(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(laaf.ConfigurationError, match=text):
        laaf.SlopeRecovery(**settings)


@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("searches", [False, True])
def test_a_line_search_behind_another_optimiser_is_seen_on_several_ranks(world_size: int, searches: bool) -> None:
    module = PlainModule().double()
    later = laaf.SelfScaledBroyden if searches else torch.optim.SGD
    optimizer = laaf.SequentialOptimizer(module.parameters(), [torch.optim.Adam, later], [3])
    trainer: Any = SimpleNamespace(optimizers=[optimizer], world_size=world_size)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_about_line_search(trainer, module)
    assert len(caught) == (searches and world_size > 1)
