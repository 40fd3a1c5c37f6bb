from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import laaf_lightning as laaf
from laaf_lightning.activations.replay.noted import KEY
from tests.callbacks.adapt_activations.foreign import Autoencoder, Perceptron, Regression
from tests.trainers import quiet_trainer

X = torch.rand(5, 2, generator=torch.Generator().manual_seed(1))


def saved(module: Any, path: Path, *callbacks: Any) -> Path:
    trainer = quiet_trainer(*callbacks, max_steps=6)
    trainer.fit(module, Regression())
    trainer.save_checkpoint(path)
    return path


@pytest.mark.parametrize("scope", ["global", "layer", "neuron", "channel"])
def test_a_checkpoint_without_notes_is_loaded_with_an_example(tmp_path: Path, scope: Any) -> None:
    module = laaf.adapt(Perceptron(4), scope, 3.0, X)
    path = saved(module, tmp_path / "a.ckpt")
    assert KEY not in torch.load(path, weights_only=True)
    loaded = laaf.load_adapted(Perceptron, path, example_input=X)
    assert torch.equal(loaded.eval()(X), module.eval()(X))
    assert [name for name, _ in loaded.named_parameters()] == [name for name, _ in module.named_parameters()]


def test_modules_alone_need_no_example(tmp_path: Path) -> None:
    module = laaf.adapt(Autoencoder(), "layer", 3.0)
    loaded = laaf.load_adapted(Autoencoder, saved(module, tmp_path / "a.ckpt"))
    assert torch.equal(loaded.encoder(X), module.encoder(X))


def test_the_class_of_an_adapted_module_stands_for_its_own(tmp_path: Path) -> None:
    module = Perceptron(4)
    path = saved(module, tmp_path / "a.ckpt", laaf.AdaptActivations("layer"))
    assert type(module) is not Perceptron
    loaded = laaf.load_adapted(type(module), path)
    assert type(loaded) is type(module)
    assert torch.equal(loaded.eval()(X), module.eval()(X))


def test_arguments_go_before_those_of_the_checkpoint_and_must_fit(tmp_path: Path) -> None:
    path = saved(Perceptron(4), tmp_path / "a.ckpt", laaf.AdaptActivations("layer"))
    assert laaf.load_adapted(Perceptron, path, schedule=False).schedule is False
    with pytest.raises(laaf.ConfigurationError, match=r"does not fit Perceptron as it is built here: size mismatch"):
        laaf.load_adapted(Perceptron, path, width=5)


def test_another_class_is_refused_in_a_sentence(tmp_path: Path) -> None:
    class Rectified(Perceptron):
        def __init__(self, width: int = 6, schedule: bool = True) -> None:
            super().__init__(width, schedule)
            self.activation = nn.ReLU()  # type: ignore[assignment]

    path = saved(Perceptron(4), tmp_path / "a.ckpt", laaf.AdaptActivations("layer"))
    with pytest.raises(laaf.ConfigurationError, match="'activation' was a Tanh and is a ReLU; give it the same"):
        laaf.load_adapted(Rectified, path)


def test_what_is_no_module_and_no_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for kind in (Perceptron(), "Perceptron", nn.Linear):
        with pytest.raises(laaf.ConfigurationError, match=r"^load_adapted: kind=.* is no class of a LightningModule"):
            laaf.load_adapted(kind, tmp_path / "a.ckpt")  # type: ignore[arg-type,type-var]
    with pytest.raises(laaf.ConfigurationError, match=r"^checkpoint_path='.*a\.ckpt': there is no such file$"):
        laaf.load_adapted(Perceptron, tmp_path / "a.ckpt")


def test_a_plain_checkpoint_is_refused_with_the_call_that_loads_it(tmp_path: Path) -> None:
    path = saved(Perceptron(4), tmp_path / "a.ckpt")
    with pytest.raises(laaf.ConfigurationError, match=r"holds no slopes: Perceptron\.load_from_checkpoint loads it"):
        laaf.load_adapted(Perceptron, path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda notes: "nothing",
        lambda notes: notes | {"sites": 3},
        lambda notes: notes | {"sites": {"activation": {}}},
        lambda notes: notes | {"version": 99},
        lambda notes: notes | {"request": 7},
        lambda notes: notes | {"form": 7},
        lambda notes: notes | {"form": {"tuple": [{"tuple": [{"tensor": ["float32", 10**12]}]}, {"dict": []}]}},
        lambda notes: {**notes, "calls": {"": {**notes["calls"][""], "training": [["exec", {}, "gelu_1"]]}}},
        lambda notes: {"version": 1, "sites": {}},
        lambda notes: {**notes, "sites": {"activation": {**notes["sites"]["activation"], "shape": [10**12]}}},
        lambda notes: {**notes, "sites": {"activation": {**notes["sites"]["activation"], "shape": [-1]}}},
        lambda notes: {**notes, "sites": {"activation": {**notes["sites"]["activation"], "shape": "abc"}}},
    ],
)
def test_damaged_notes_are_a_sentence(tmp_path: Path, damage: Any) -> None:
    path = saved(Perceptron(4), tmp_path / "a.ckpt", laaf.AdaptActivations("layer"))
    content = torch.load(path, weights_only=True)
    content[KEY] = damage(copy.deepcopy(content[KEY]))
    torch.save(content, path)
    with pytest.raises(laaf.ConfigurationError) as refused:
        laaf.load_adapted(Perceptron, path)
    assert "\n" not in str(refused.value)
