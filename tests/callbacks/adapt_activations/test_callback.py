from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

import laaf_lightning as laaf
from laaf_lightning.activations.replay.noted import notes_of
from tests.callbacks.adapt_activations.foreign import (
    Autoencoder,
    Convolutions,
    Images,
    Perceptron,
    StepWithActivation,
    Validated,
    ValidatedRegression,
    fit,
    loader,
)
from tests.trainers import quiet_trainer


@pytest.mark.parametrize("scope", ["global", "layer", "neuron"])
def test_a_foreign_module_trains_with_slopes_of_every_call(scope: Any) -> None:
    torch.manual_seed(0)
    module = Perceptron(schedule=False)
    fit(module, laaf.AdaptActivations(scope, n=3), laaf.SlopeRecovery())
    shapes = {name: tuple(slope.shape) for name, slope in laaf.named_slopes(module)}
    of_one = {"layer": (), "neuron": (6,)}.get(scope)
    assert shapes == (
        {"global": ()}
        if scope == "global"
        else {
            "activation": of_one,
            "adaptive_calls.gelu_1": of_one,
            "adaptive_calls.sigmoid_1": (1,) if scope == "neuron" else (),
        }
    )
    assert all((slope != 1).all() for _, slope in laaf.named_slopes(module))


def test_a_network_that_configure_model_builds_is_adapted_after_it() -> None:
    module = Convolutions()
    fit(module, laaf.AdaptActivations("channel"), data=Images())
    assert [tuple(slope.shape) for _, slope in laaf.named_slopes(module)] == [(3, 1, 1), (2, 1, 1)]
    assert "configure_model" not in vars(module)


def test_without_a_scope_nothing_changes() -> None:
    module, twin = Perceptron(), Perceptron()
    twin.load_state_dict(module.state_dict())
    for each, callbacks in ((module, [laaf.AdaptActivations()]), (twin, [])):
        torch.manual_seed(1)
        fit(each, *callbacks)
    assert module.state_dict().keys() == twin.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize("strict", [False, True])
def test_a_module_without_forward_is_adapted_by_its_training_step(strict: bool) -> None:
    module = Autoencoder()
    fit(module, laaf.AdaptActivations("neuron", strict=strict))
    assert [name for name, _ in laaf.named_slopes(module)] == ["encoder.1", "decoder.1"]
    assert "forward" not in vars(module)


def test_activations_that_stand_in_the_step_itself_are_named() -> None:
    module = StepWithActivation()
    with pytest.warns(UserWarning, match="tanh in training_step itself: move them to forward, or make them modules"):
        fit(module, laaf.AdaptActivations("layer"))
    assert [name for name, _ in laaf.named_slopes(module)] == ["encoder.1", "decoder.1"]
    with pytest.raises(laaf.ConfigurationError, match="tanh in training_step itself"):
        fit(StepWithActivation(), laaf.AdaptActivations("layer", strict=True))


def test_a_step_that_names_activations_beside_a_forward_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class Logits(Perceptron):
        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            return torch.sigmoid(self.loss(batch))

    with caplog.at_level("INFO"):
        fit(Logits(schedule=False), laaf.AdaptActivations("layer"))
    assert "its training_step names sigmoid: what it calls outside of forward has no slope" in caplog.text


@pytest.mark.parametrize("where", ["^adaptive_calls", ["adaptive_calls.gelu_1", "adaptive_calls.sigmoid_1"]])
def test_where_chooses(where: Any) -> None:
    module = Perceptron(schedule=False)
    fit(module, laaf.AdaptActivations("layer", where=where))
    assert [name for name, _ in laaf.named_slopes(module)] == ["adaptive_calls.gelu_1", "adaptive_calls.sigmoid_1"]


def test_two_fits_adapt_once_and_another_scope_is_refused() -> None:
    module = Validated(schedule=False)
    fit(module, laaf.AdaptActivations("layer"), data=ValidatedRegression())
    notes, before = notes_of(module), [slope.item() for _, slope in laaf.named_slopes(module)]
    twin = pickle.loads(pickle.dumps(copy.deepcopy(module)))
    for each in (module, twin):
        fit(each, laaf.AdaptActivations("layer"), data=ValidatedRegression())
        assert notes_of(each) == notes
        assert [slope.item() for _, slope in laaf.named_slopes(each)] != before
    quiet_trainer(laaf.AdaptActivations("layer")).validate(module, ValidatedRegression(), verbose=False)
    with pytest.raises(laaf.ConfigurationError, match=r"adapted already, with scope='layer', and scope='neuron' is"):
        fit(module, laaf.AdaptActivations("neuron"), data=ValidatedRegression())


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_any_precision_of_the_trainer(precision: Any) -> None:
    class Doubles(Perceptron):
        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return [part.double() if precision == "64-true" else part for part in batch]

    module = Doubles(schedule=False)
    trainer = quiet_trainer(laaf.AdaptActivations("neuron", n=3), max_epochs=1, precision=precision)
    trainer.fit(module, loader(shuffle=True))
    assert all((slope != 1).any() for _, slope in laaf.named_slopes(module))


def test_an_exception_leaves_the_module_with_its_own_methods() -> None:
    class Fails(Perceptron):
        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            raise ArithmeticError

    module = Fails()
    with pytest.raises(ArithmeticError):
        fit(module, laaf.AdaptActivations("layer"))
    assert not any(callable(value) for name, value in vars(module).items() if name.startswith("co"))
    assert "on_load_checkpoint" not in vars(module)


def test_the_loader_given_to_fit_is_used() -> None:
    module = Perceptron()
    trainer = quiet_trainer(laaf.AdaptActivations("layer"), max_epochs=1, limit_val_batches=0)
    trainer.fit(module, loader(shuffle=True))
    assert len([*laaf.named_slopes(module)]) == 3


@pytest.mark.slow
def test_compiled_in_place_a_module_is_adapted_before_its_first_call() -> None:
    class Whole(Perceptron):
        def __init__(self) -> None:
            super().__init__(schedule=False)
            self.compile(backend="aot_eager")

    class Parts(Autoencoder):
        def __init__(self) -> None:
            super().__init__()
            self.encoder.compile(backend="aot_eager")

    for module, count in ((Whole(), 3), (Parts(), 2)):
        fit(module, laaf.AdaptActivations("layer"), laaf.SlopeRecovery())
        slopes = [slope.item() for _, slope in laaf.named_slopes(module)]
        assert len(slopes) == count
        assert 1 not in slopes


def test_training_is_bit_for_bit_that_of_a_module_adapted_before_with_groups_by_hand() -> None:
    class ByHand(Perceptron):
        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(laaf.slope_parameter_groups(self), lr=0.01, weight_decay=0.5)

    states = []
    for from_outside in (False, True):
        torch.manual_seed(0)
        module: Perceptron = Perceptron(schedule=False) if from_outside else ByHand()
        if not from_outside:
            module = laaf.adapt(module, "neuron", 2.0, torch.rand(4, 2, generator=torch.Generator().manual_seed(0)))
        torch.manual_seed(1)
        fit(module, *[laaf.AdaptActivations("neuron", 2.0)] * from_outside, max_epochs=3)
        states.append(module.state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
