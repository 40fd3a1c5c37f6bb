"""A module of somebody else's, adapted by the command line without a line of code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import laaf_lightning as laaf
from tests.callbacks.adapt_activations.foreign import Convolutions, Validated
from tests.cli.command import checkpoint_of, folder_of, refusal, scalars
from tests.cli.command import laaf as run_laaf

HERE = "tests.callbacks.adapt_activations.foreign"
MODEL = (f"--model={HERE}.Validated", f"--data={HERE}.ValidatedRegression", "--trainer.log_every_n_steps=1")
SLOPES = ("--adapt.scope=neuron", "--adapt.n=2", "--adapt.slope_lr=0.1", "--slope_recovery.weight=1")


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_perceptron_is_fitted_resumed_bit_for_bit_and_tested_from_its_checkpoint(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    whole = run_laaf("fit", *MODEL, *SLOPES, "--trainer.max_steps=12")
    said = "".join(capsys.readouterr())
    assert "Validated: 67 parameters, and the slopes" in said
    assert "Validated: 3 activations adapted, scope neuron, n=2." in caplog.text
    part = run_laaf("fit", *MODEL, *SLOPES, "--trainer.max_steps=7")
    assert "/neuron-n2-recovery/" in str(folder_of(part))
    resumed = run_laaf("fit", "--resume", str(folder_of(part)), "--trainer.max_steps=12")
    assert same(whole.model, resumed.model)
    assert {"slope/activation/mean", "slope_recovery"} <= scalars(folder_of(whole)).keys()
    assert (whole.outcome["settings"]["scope"], whole.outcome["settings"]["n"]) == ("neuron", 2.0)
    checkpoint = checkpoint_of(whole)
    for arguments in ((), SLOPES[:2]):
        tested = run_laaf("test", *MODEL, *arguments, "--ckpt_path", str(checkpoint))
        assert same(tested.model, whole.model)
    assert same(laaf.load_adapted(Validated, checkpoint), whole.model)
    assert "--adapt.scope" in refusal(capsys, "test", *MODEL, "--adapt.scope=layer", "--ckpt_path", str(checkpoint))


def test_a_network_of_convolutions_is_adapted_in_yaml(workplace: Path) -> None:
    (workplace / "job.yaml").write_text(
        f"model: {HERE}.Convolutions\ndata: {HERE}.Images\nadapt:\n  scope: layer\n  where: [adaptive_calls.relu_1]\n"
        "slope_recovery: {weight: 0.5}\ntrainer: {max_steps: 3, log_every_n_steps: 1}\n"
    )
    run = run_laaf("fit", "--config=job.yaml")
    assert isinstance(run.model, Convolutions)
    assert [name for name, _ in laaf.named_slopes(run.model)] == ["adaptive_calls.relu_1"]
    assert [group["weight_decay"] for group in run.trainer.optimizers[0].param_groups] == [0.5, 0.0]


def test_a_new_fit_starts_from_the_weights_and_slopes_of_an_adapted_checkpoint() -> None:
    first = run_laaf("fit", *MODEL, *SLOPES, "--trainer.max_steps=5")
    again = run_laaf("fit", *MODEL, *SLOPES, "--trainer.max_steps=5", f"--init_from={checkpoint_of(first)}",
                     "--model.schedule=false", "--trainer.limit_train_batches=0")  # fmt: skip
    assert same(first.model, again.model)


def test_our_modules_and_a_rate_without_a_scope_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    ours = ("--model=FunctionRegressor", "--data=DiscontinuousFunctionDataModule")
    brief = (*MODEL, "--trainer.max_steps=1")
    assert "--model.scope" in refusal(capsys, "fit", *ours, "--adapt.scope=layer", "--trainer.max_steps=1")
    assert "--adapt.scope layer" in refusal(capsys, "fit", *brief, "--adapt.slope_lr=0.1")
    assert "did you mean 'neuron'" in refusal(capsys, "fit", *brief, "--adapt.scope=neurons")
    assert "where='nothing' chooses none of 3 activations" in refusal(
        capsys, "fit", *brief, "--adapt.scope=layer", "--adapt.where=nothing"
    )
