"""Each configuration of an equation that the paper has not runs through the command line, and states its error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from laaf_lightning import PDE, PINN
from tests.cli.command import CONFIGS, folder_of, laaf, scalars
from tests.test_configs import ALONE, OVERLAY

STEPS = 3
NAMES = [path.stem for path in sorted(CONFIGS.glob("*.yaml")) if path.stem not in {*ALONE, OVERLAY}]
FIGURES = {"space_time": {"slices", "spectrum", "field", "error"}, "plane": {"field", "error"}}


def stated_error(name: str) -> tuple[float, float, float]:
    """Return median, smallest and largest relative L2 error that a configuration's first lines state."""
    head = "".join(
        line
        for line in (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
        if line[0] == "#"
    )
    found = re.search(r"relative L2 error ([\d.e-]+) \(([\d.e-]+)–([\d.e-]+)\)", head)
    assert found is not None, head
    return float(found[1]), float(found[2]), float(found[3])


@pytest.mark.parametrize("name", [*NAMES, "burgers"])
def test_it_states_the_error_that_it_reaches_with_its_spread(name: str) -> None:
    median, low, high = stated_error(name)
    assert 0 < low <= median <= high < 1


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_trains_measures_and_draws(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = (f"--trainer.max_steps={STEPS}", "--trainer.log_every_n_steps=1", "--data.num_residual=64")
    run = laaf("fit", f"--config={CONFIGS / name}.yaml", *quick)
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
    kind = "space_time" if model.problem.coordinates[1] == "t" else "plane"
    drawn = {
        file.stem.removeprefix(f"{type(model.problem).__name__.lower()}_")
        for file in (folder_of(run) / "figures").iterdir()
    }
    assert drawn == FIGURES[kind]


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_it_reaches_the_error_that_it_states(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = laaf("fit", f"--config={CONFIGS / name}.yaml", "--trainer.enable_progress_bar=false", "--model.compile=true")
    assert float(run.trainer.callback_metrics["val/relative_l2"]) < 2 * stated_error(name)[2]
