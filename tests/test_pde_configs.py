"""Each configuration of an equation that the paper has not runs through the command line, and states its error."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from laaf_lightning import PDE, PINN, SelfScaledBroyden, SequentialOptimizer
from tests.cli.command import CONFIGS, folder_of, laaf, scalars
from tests.test_configs import ALONE, OVERLAY

STEPS = 3
BROYDEN = "self_scaled_broyden"  # laid over the equations below
NAMES = [
    path.stem for path in sorted(CONFIGS.glob("*.yaml")) if path.stem not in {*ALONE, OVERLAY, BROYDEN, "discontinuous"}
]
EQUATIONS = {"helmholtz": ["--model.problem.init_args.hard_conditions=true", "--data.num_condition={}"]}
EQUATIONS |= {"heat": [], "inverse_burgers": [], "allen_cahn": []}
FIGURES = {
    "space_time": {"slices", "spectrum", "field", "error"},
    "plane": {"field", "error"},
    "line": {"solution", "spectrum", "error"},
    "space": set[str](),  # of three coordinates or more
}


def some_in_the_gate(names: Iterable[str], *kept: str) -> list[Any]:
    """Leave the rest to ``pytest -m long``."""
    return [name if name in kept else pytest.param(name, marks=pytest.mark.long) for name in names]


def head_of(name: str) -> list[str]:
    """Return a configuration's first lines, without ``# ``."""
    lines = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    return [line[2:] for line in itertools.takewhile(lambda line: line.startswith("#"), lines)]


def stated_command(name: str) -> list[str]:
    """Return the options of the command that a configuration's first lines state, for the seed 0."""
    (command,) = (line for line in head_of(name) if line.startswith("laaf fit"))
    _, subcommand, _, _, *options = shlex.split(command)
    return [subcommand, f"--config={CONFIGS / name}.yaml", *("0" if option == "k" else option for option in options)]


def stated_error(name: str) -> tuple[float, float, float]:
    """Return median, smallest and largest relative L2 error that a configuration's first lines state."""
    head = "\n".join(head_of(name))
    found = re.search(r"relative L2 error ([\d.e-]+) \(([\d.e-]+)–([\d.e-]+)\)", head)
    assert found is not None, head
    return float(found[1]), float(found[2]), float(found[3])


@pytest.mark.parametrize("name", [*NAMES, "burgers_paper", "discontinuous", "discontinuous_paper"])
def test_it_states_the_error_that_it_reaches_with_its_spread(name: str) -> None:
    median, low, high = stated_error(name)
    assert 0 < low <= median <= high < 1


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", some_in_the_gate(NAMES, "burgers", "inverse_burgers"))
def test_it_trains_measures_and_draws(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = (f"--trainer.max_steps={STEPS}", "--trainer.log_every_n_steps=1", "--data.num_residual=64")
    run = laaf("fit", f"--config={CONFIGS / name}.yaml", *quick, "--model.compile=false", "--figures.dpi=50")
    model: Any = run.model
    assert isinstance(model, PINN)
    assert isinstance(model.problem, PDE)
    assert model.problem == run.datamodule.problem
    assert model.differentiator.name == "taylor"
    assert run.trainer.global_step == STEPS
    logged = scalars(folder_of(run))
    assert len(logged["train/mse_residual"]) == STEPS
    assert list(logged["val/relative_l2"].values())[-1] > 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("relative L2 error ")
    for coefficient in model.problem.coefficients():
        error = list(logged[f"val/{coefficient}_error"].values())[-1]
        assert f"{coefficient} off by {error:.2%}" in said
        assert len(logged[f"coefficient/{coefficient}"]) == STEPS
        assert list(logged[f"val/{coefficient}_error"].values())[-1] > 0
    coordinates, unknowns = model.problem.coordinates, model.problem.unknowns
    kind = {1: "line", 2: "space_time" if coordinates[-1] == "t" else "plane"}.get(len(coordinates), "space")
    figures = {f"{unknown}_{name}" if len(unknowns) > 1 else name for unknown in unknowns for name in FIGURES[kind]}
    drawn = {
        file.stem.removeprefix(f"{type(model.problem).__name__.lower()}_")
        for file in (folder_of(run) / "figures").iterdir()
    }
    assert drawn == {*figures, "slope_slopes"}


@pytest.mark.slow
@pytest.mark.parametrize("name", some_in_the_gate(EQUATIONS, "helmholtz"))
def test_self_scaled_broyden_is_laid_over_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ["--trainer.max_steps=4", "--data.num_residual=64", "--model.optimizer.init_args.steps=[2]"]
    quick += ["--model.width=8", "--model.depth=2"]  # a quasi-Newton step grows as the square of the parameters
    quick += ["--model.compile=false", "--resample_collocation.from_step=2", "--resample_collocation.every_n_steps=1"]
    configs = [f"--config={CONFIGS / file}.yaml" for file in (name, BROYDEN)]
    run = laaf("fit", *configs, *EQUATIONS[name], *quick, "--figures.dpi=30")
    (optimizer,) = run.trainer.optimizers
    assert isinstance(optimizer, SequentialOptimizer)
    assert [type(stage) for stage in optimizer.stages] == [torch.optim.Adam, SelfScaledBroyden]
    assert optimizer.stages[1].state_dict()["state"][0]["iterations"] > 50
    assert next(iter(run.model.parameters())).dtype == torch.float64
    assert run.trainer.global_step == 4
    logged = scalars(folder_of(run))
    assert list(logged["collocation/points"].values()) == [64, 64, 64]  # after steps 2, 3 and 4


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_it_reaches_the_error_that_it_states(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run: Any = laaf(*stated_command(name), "--trainer.enable_progress_bar=false")
    assert float(run.trainer.callback_metrics["val/relative_l2"]) < 2 * stated_error(name)[2]
    if name == "lorenz":
        for parameter in run.model.problem.coefficients():
            assert float(run.trainer.callback_metrics[f"val/{parameter}_error"]) < 1e-5
