from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from laaf_lightning import PINN, Burgers, CollocationDataModule, ConfigurationError, InverseBurgers, init_from
from laaf_lightning.cli.run.initial_weights import take_weights
from tests.trainers import quiet_trainer


def pinn(viscosity: float = 0.1, **settings: Any) -> PINN:
    torch.manual_seed(int(100 * viscosity))
    return PINN(Burgers(viscosity), **{"width": 4, "depth": 2, "scope": "neuron", "n": 5, **settings})


def inverse(first_guess: float) -> PINN:
    return PINN(InverseBurgers(0.1, first_guess=first_guess, num_measurements=10), width=4, depth=1)


def same_function(one: PINN, other: PINN) -> bool:
    points = torch.rand(7, 2)
    return torch.equal(one(points), other(points))


def test_a_pinn_of_another_viscosity_starts_from_a_checkpoint_and_trains_on(tmp_path: Path) -> None:
    trained, file = pinn(0.1), tmp_path / "thick.ckpt"
    trainer = quiet_trainer(max_steps=2, limit_val_batches=0)
    trainer.fit(trained, CollocationDataModule(Burgers(0.1), 20, 5))
    trainer.save_checkpoint(file)
    model = pinn(0.05)
    assert not same_function(model, trained)
    assert init_from(model, file) == f"starts from {file}: 10 of 10 tensors"
    assert same_function(model, trained)
    assert model.problem == Burgers(0.05)
    again = quiet_trainer(max_steps=1, limit_val_batches=0)
    again.fit(model, CollocationDataModule(Burgers(0.05), 20, 5))
    assert again.global_step == 1


def test_a_module_at_hand_will_do_and_keeps_its_own_weights() -> None:
    source, model = pinn(0.1), pinn(0.05)
    assert init_from(model, source) == "starts from a PINN: 10 of 10 tensors"
    assert same_function(model, source)
    with torch.no_grad():
        next(model.network.parameters()).add_(1)
    assert not same_function(model, source)


def test_learnt_coefficients_are_taken_or_left_and_it_is_said() -> None:
    source = inverse(0.25)
    model = inverse(0.5)
    assert init_from(model, source, coefficients=False) == (
        "starts from a PINN: 6 of 7 tensors; left at the first guess: viscosity"
    )
    assert model.coefficients["viscosity"].item() == 0.5
    assert init_from(model, source) == "starts from a PINN: 7 of 7 tensors, the coefficients among them: viscosity"
    assert model.coefficients["viscosity"].item() == 0.25
    forward = PINN(Burgers(0.1), width=4, depth=1)
    assert init_from(forward, source).endswith("6 of 6 tensors; left out are of the file's 1: coefficients.viscosity")


def test_slopes_may_be_absent_on_either_side() -> None:
    fixed, model = pinn(0.1, scope="fixed"), pinn(0.05)
    assert "6 of 10 tensors; left out are of the model's 4: network.activations.0.a" in init_from(model, fixed)
    assert same_function(model, fixed)
    assert "6 of 6 tensors; left out are of the file's 4" in init_from(pinn(0.05, scope="fixed"), model)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"width": 5},
            r"init_from='a PINN' does not fit PINN: it differs in 7: network.linears.0.weight \(4, 2\) \(the file has "
            r"\(5, 2\)\), .* and 4 more; build the model with the width, depth",
        ),
        ({"depth": 3}, r"does not fit PINN: it differs in .*linears.3.weight \(the model has none\)"),
        ({"n": 10}, r"init_from='a PINN': .*the checkpoint has n=10, this .* has n=5"),
    ],
)
def test_a_network_of_another_form_is_one_sentence_and_changes_nothing(
    settings: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    source, model = pinn(0.1, **settings), pinn(0.05)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ConfigurationError, match=sentence):
        init_from(model, source)
    torch.save({"state_dict": source.state_dict()}, tmp_path / "file.ckpt")
    with pytest.raises(ConfigurationError, match=sentence.replace("a PINN", r".*file.ckpt")):
        take_weights(model, str(tmp_path / "file.ckpt"))
    if "n" not in settings:
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_what_fits_is_taken_on_request() -> None:
    model, source = pinn(0.05), pinn(0.1, width=5)
    assert "3 of 10 tensors; left out are of the model's 7" in init_from(model, source, strict=False)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("gone.ckpt", "init_from='gone.ckpt': there is no such file"),
        (3, "init_from: 3 is neither the path of a checkpoint nor a module"),
        (Path(__file__), "this file is no checkpoint, or a damaged one"),
    ],
)
def test_what_is_no_checkpoint_is_one_sentence(source: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        init_from(pinn(), source)


def test_scales_that_differ_are_told_and_those_that_one_lacks_are_named_with_the_way_out() -> None:
    kelvin, large = pinn(output_scale=300.0), pinn(output_scale=1000.0)
    assert init_from(large, kelvin).endswith("; its scales of inputs and outputs hold, in the place of the model's own")
    assert same_function(large, kelvin)
    assert "scales" not in init_from(pinn(output_scale=300.0), kelvin)
    with pytest.raises(ConfigurationError, match=r"build the model with the scales that this one .* --model.scale_in"):
        init_from(pinn(), kelvin)
