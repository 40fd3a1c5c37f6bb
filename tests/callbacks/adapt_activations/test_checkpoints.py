from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

import laaf_lightning as laaf
from laaf_lightning.activations.replay.noted import KEY, notes_of
from tests.callbacks.adapt_activations.foreign import Convolutions, Images, Perceptron, Regression
from tests.trainers import quiet_trainer


def fit(module: pl.LightningModule, *callbacks: Any, data: Any = None, path: Any = None, **settings: Any) -> pl.Trainer:
    trainer = quiet_trainer(*callbacks, **{"max_steps": 5, **settings})
    trainer.fit(module, Regression() if data is None else data, ckpt_path=path, weights_only=True)
    return trainer


def saved(module: pl.LightningModule, path: Path, *callbacks: Any, data: Any = None) -> Path:
    fit(module, *callbacks, data=data).save_checkpoint(path)
    return path


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("scope", ["layer", "neuron", None])
def test_a_test_from_a_checkpoint_adapts_as_the_checkpoint_says_without_data(tmp_path: Path, scope: Any) -> None:
    module, fresh = Perceptron(), Perceptron()
    path = saved(module, tmp_path / "a.ckpt", laaf.AdaptActivations(scope or "layer", n=2), laaf.SlopeRecovery(0))
    callback = laaf.AdaptActivations() if scope is None else laaf.AdaptActivations(scope, n=2)
    (result,) = quiet_trainer(callback).test(fresh, Regression(), ckpt_path=path, weights_only=True, verbose=False)
    assert same(fresh, module)
    (expected,) = quiet_trainer().test(module, Regression(), verbose=False)
    assert result == expected


def test_a_resumed_fit_ends_where_one_fit_does(tmp_path: Path) -> None:
    ends = []
    for steps in ((12,), (7, 12)):
        path = None
        for number, step in enumerate(steps):
            torch.manual_seed(number if path is None else 99)
            module = Perceptron()
            callbacks = laaf.AdaptActivations("neuron", n=2, slope_lr=0.1), laaf.SlopeRecovery(), laaf.ExactResume()
            trainer = fit(module, *callbacks, path=path, max_steps=step)
            path = tmp_path / f"{step}.ckpt"
            trainer.save_checkpoint(path)
        ends.append(module)
    assert same(*ends)


def test_a_fit_goes_on_with_the_slopes_of_the_checkpoint_where_no_scope_is_given(tmp_path: Path) -> None:
    path = saved(Perceptron(), tmp_path / "a.ckpt", laaf.AdaptActivations("neuron", n=2))
    module = Perceptron()
    trainer = fit(module, laaf.AdaptActivations(), path=path, max_steps=9)
    assert [tuple(slope.shape) for _, slope in laaf.named_slopes(module)] == [(6,), (6,), (1,)]
    assert [len(group["params"]) for group in trainer.optimizers[0].param_groups] == [6, 3]


def test_a_checkpoint_adapted_otherwise_or_not_at_all_is_refused(tmp_path: Path) -> None:
    adapted = saved(Perceptron(), tmp_path / "a.ckpt", laaf.AdaptActivations("neuron", n=2))
    plain = saved(Perceptron(), tmp_path / "b.ckpt")
    with pytest.raises(laaf.ConfigurationError, match="adapted in another way than this one's"):
        fit(Perceptron(), laaf.AdaptActivations("layer"), path=adapted)
    with pytest.raises(laaf.ConfigurationError, match=r"the checkpoint holds no slopes.*--adapt\.scope null"):
        fit(Perceptron(), laaf.AdaptActivations("layer"), path=plain)
    with pytest.raises(laaf.ConfigurationError, match=r"with n=2.0, and n=1.0 is asked for \(--adapt.n\)"):
        quiet_trainer(laaf.AdaptActivations("neuron")).test(
            Perceptron(), Regression(), ckpt_path=adapted, weights_only=True, verbose=False
        )


def test_a_network_built_late_is_loaded(tmp_path: Path) -> None:
    module = Convolutions()
    path = saved(module, tmp_path / "a.ckpt", laaf.AdaptActivations("channel"), data=Images())
    fresh = Convolutions()
    quiet_trainer(laaf.AdaptActivations()).test(fresh, Images(), ckpt_path=path, weights_only=True, verbose=False)
    assert same(module, fresh)
    assert same(laaf.load_adapted(Convolutions, path), module)


def test_checkpoints_of_weights_alone_tell_too(tmp_path: Path) -> None:
    module = Perceptron()
    kept = ModelCheckpoint(tmp_path, "{step}", save_weights_only=True, every_n_train_steps=5)
    fit(module, laaf.AdaptActivations("layer"), kept, enable_checkpointing=True)
    content = torch.load(tmp_path / "step=5.ckpt", weights_only=True)
    assert content[KEY]["request"] == {"scope": "layer", "n": 1.0, "where": None}
    assert same(laaf.load_adapted(Perceptron, tmp_path / "step=5.ckpt"), module)


def test_a_module_adapted_from_outside_is_noted_by_the_callback_without_a_scope(tmp_path: Path) -> None:
    module = laaf.adapt(Perceptron(), "neuron", 2.0, torch.rand(4, 2))
    path = saved(module, tmp_path / "a.ckpt", laaf.AdaptActivations())
    loaded = laaf.load_adapted(Perceptron, path)
    assert notes_of(loaded) == notes_of(module)
    assert same(loaded, module)
    again = laaf.adapt(Perceptron(), "neuron", 2.0, torch.rand(4, 2))
    fit(again, laaf.AdaptActivations(), path=path, max_steps=8)


FORM = {"tuple": [{"tuple": [{"tensor": ["float32", 8, 2]}]}, {"dict": []}]}


def form_in(path: Path) -> Any:
    return torch.load(path, weights_only=True)[KEY].get("form")


def test_the_form_of_what_forward_was_called_with_stays_through_all_that_loads_and_saves(tmp_path: Path) -> None:
    first = saved(Perceptron(), tmp_path / "a.ckpt", laaf.AdaptActivations("layer"))
    assert form_in(first) == FORM
    resumed = fit(Perceptron(), laaf.AdaptActivations(), path=first, max_steps=7)
    resumed.save_checkpoint(tmp_path / "b.ckpt")
    assert form_in(tmp_path / "b.ckpt") == FORM
    loaded = laaf.load_adapted(Perceptron, tmp_path / "b.ckpt")
    assert form_in(saved(loaded, tmp_path / "c.ckpt", laaf.AdaptActivations())) == FORM
    by_hand = laaf.adapt(Perceptron(), example_input=torch.rand(4, 2))
    fit(by_hand, laaf.AdaptActivations(), path=first, max_steps=7).save_checkpoint(tmp_path / "d.ckpt")
    assert form_in(tmp_path / "d.ckpt") == FORM


def test_a_checkpoint_that_tells_no_form_is_loaded(tmp_path: Path) -> None:
    path = saved(Perceptron(), tmp_path / "a.ckpt", laaf.AdaptActivations("layer"))
    content = torch.load(path, weights_only=True)
    del content[KEY]["form"]
    torch.save(content, path)
    fit(Perceptron(), laaf.AdaptActivations("layer"), path=path, max_steps=7).save_checkpoint(tmp_path / "b.ckpt")
    assert form_in(tmp_path / "b.ckpt") == FORM  # of this fit's own data
    loaded = laaf.load_adapted(Perceptron, path)
    assert form_in(saved(loaded, tmp_path / "c.ckpt", laaf.AdaptActivations())) is None
