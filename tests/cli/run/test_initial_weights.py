from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning import ConfigurationError, FunctionRegressor, named_slopes
from laaf_lightning.cli.run.initial_weights import check_initial_weights, take_weights
from tests.cli.command import CONFIGS, TINY, checkpoint_of, laaf, refusal


def regressor(seed: int = 0, **settings: Any) -> FunctionRegressor:
    torch.manual_seed(seed)
    return FunctionRegressor(**{"width": 4, "depth": 2, "scope": "neuron", "n": 10, **settings})


def saved(model: FunctionRegressor) -> str:
    torch.save({"state_dict": model.state_dict()}, "file.ckpt")
    return "file.ckpt"


def same(one: dict[str, Tensor], other: dict[str, Tensor], names: Callable[[str], bool]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items() if names(name))


def test_a_fit_starts_from_the_weights_and_from_no_step_or_optimiser(capsys: pytest.CaptureFixture[str]) -> None:
    first = laaf("fit", *TINY)
    file, trained = checkpoint_of(first), {name: value.clone() for name, value in first.model.state_dict().items()}
    run = laaf("fit", *TINY, f"--init_from={file}", "--trainer.max_steps=0")
    assert f"starts from {file}: {len(trained)} of {len(trained)} tensors\n" in capsys.readouterr().out
    assert same(trained, run.model.state_dict(), lambda name: True)
    run = laaf("fit", *TINY, f"--init_from={file}", "--trainer.max_steps=1")
    assert run.trainer.global_step == 1
    (state,) = (state["step"] for state in list(run.trainer.optimizers[0].state.values())[:1])
    assert state == 1


def test_a_pinn_starts_from_one_of_another_viscosity_by_a_flag_or_a_line_of_yaml(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quick = ("--model.width=4", "--model.depth=2", "--data.num_residual=20", "--trainer.limit_val_batches=0")
    config = f"--config={CONFIGS / 'burgers.yaml'}"
    first = laaf("fit", config, *quick, "--trainer.max_steps=1", "--model.problem.viscosity=0.1")
    file = checkpoint_of(first)
    Path("from.yaml").write_text(f"init_from: {file}\n", encoding="utf-8")
    thinner = (*quick, "--trainer.max_steps=0", "--model.problem.viscosity=0.05")
    for given in ((config, f"--init_from={file}"), (config, "--config=from.yaml")):
        run = laaf("fit", *given, *thinner)
        assert f"starts from {file}: " in capsys.readouterr().out
        assert run.model.problem.viscosity == 0.05
        assert same(first.model.state_dict(), run.model.state_dict(), lambda name: True)
    said = refusal(capsys, "fit", config, *quick, f"--init_from={file}", "--model.width=5")
    assert "does not fit PINN: it differs in 5: network.linears.0.weight (5, 2) (the file has (4, 2))" in said


def test_double_precision_weights_are_not_rounded() -> None:
    file = saved(regressor(1, scope="layer").double())
    run = laaf("fit", *TINY, f"--init_from={file}", "--trainer.max_steps=0", "--trainer.precision=64-true")
    expected = torch.load(file, weights_only=True)["state_dict"]
    assert same(expected, run.model.state_dict(), lambda name: name.endswith("weight"))


def test_what_does_not_fit_is_left_out_and_named_on_either_side() -> None:
    model, given = regressor(0, width=5), regressor(1)
    line = take_weights(model, saved(given))
    assert line == (
        "starts from file.ckpt: 3 of 10 tensors; left out are of the model's 7: network.linears.0.weight (5, 1) (the "
        "file has (4, 1)), network.linears.0.bias (5,) (the file has (4,)), network.linears.1.weight (5, 5) (the "
        "file has (4, 4)) and 4 more"
    )
    assert same(given.state_dict(), model.state_dict(), lambda name: name == "network.linears.2.bias")
    line = take_weights(regressor(scope="fixed"), "file.ckpt")
    assert line.startswith(
        "starts from file.ckpt: 6 of 6 tensors; left out are of the file's 4: network.activations.0.a, "
    )


def test_slopes_stay_where_the_file_has_none() -> None:
    model = regressor(0)
    given = regressor(1, scope="fixed")
    line = take_weights(model, saved(given))
    assert "6 of 10 tensors; left out are of the model's 4: network.activations.0.a, " in line
    assert same(given.state_dict(), model.state_dict(), lambda name: True)
    assert all(bool((slope == 1).all()) for _, slope in named_slopes(model))


def test_slopes_of_another_n_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"init_from='file.ckpt': .*the checkpoint has n=10, this .* has n=5"):
        take_weights(regressor(n=5), saved(regressor()))


def test_a_file_of_which_nothing_fits_is_refused() -> None:
    torch.save({"state_dict": {"other": torch.zeros(2)}}, "file.ckpt")
    with pytest.raises(
        ConfigurationError, match=r"none of its 1 tensors fits FunctionRegressor .*the file has 1: other"
    ):
        take_weights(regressor(), "file.ckpt")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "init_from='file.ckpt': there is no such file"),
        (b"text", "init_from='file.ckpt': this file is no checkpoint, or a damaged one"),
        ({"weights": 1}, "init_from='file.ckpt' is no checkpoint of Lightning: it has no 'state_dict'"),
        (
            {"state_dict": {}, "object": Path()},
            "init_from='file.ckpt': it holds Python objects .* when they are loaded; if you trust",
        ),
    ],
    ids=["missing", "text", "dictionary", "objects"],
)
def test_a_file_that_is_no_checkpoint_is_refused(content: object, sentence: str) -> None:
    if isinstance(content, bytes):
        Path("file.ckpt").write_bytes(content)
    elif content is not None:
        torch.save(content, "file.ckpt")
    with pytest.raises(ConfigurationError, match=sentence):
        check_initial_weights({"init_from": "file.ckpt"}, "fit")


def test_a_checkpoint_to_resume_from_is_refused_beside_it(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(regressor())
    said = refusal(capsys, "fit", *TINY, f"--init_from={file}", f"--ckpt_path={file}")
    assert said.startswith("init_from='file.ckpt' beside ckpt_path='file.ckpt': ")
    assert [path.name for path in workplace.iterdir()] == [file]


def test_other_commands_pass_over_it_beside_a_checkpoint_and_refuse_it_alone() -> None:
    check_initial_weights({"init_from": "gone.ckpt", "ckpt_path": "file.ckpt"}, "test")
    with pytest.raises(ConfigurationError, match="test takes the weights of --ckpt_path FILE"):
        check_initial_weights({"init_from": "gone.ckpt"}, "test")
