"""The code in the documentation runs as it stands."""

from __future__ import annotations

import importlib
import itertools
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

import laaf_lightning as laaf
from laaf_lightning.cli import main
from laaf_lightning.cli.shipped_configs import find_config
from laaf_lightning.derivatives import AutogradField, TaylorField

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "pinns.md").read_text(encoding="utf-8")
OPTIMIZERS = (ROOT / "docs" / "optimizers.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def commands(page: str) -> list[list[str]]:
    lines = "\n".join(blocks("bash", page)).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


@pytest.fixture
def wave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "membrane.py").write_text(blocks("python")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("membrane")
    sys.modules.pop("membrane")


@pytest.mark.slow
def test_the_command_of_the_page_trains_the_equation_of_the_page(wave: Any) -> None:
    command = shlex.split(blocks("bash")[0].replace("\\\n", " "))
    assert command[:3] == ["python", "-m", "laaf_lightning"]
    arguments = [*command[3:], "--trainer.enable_progress_bar=false", "--data.num_residual=50"]
    steps = arguments.index("--trainer.max_steps") + 1
    arguments[steps] = "3"
    run: Any = main(arguments)
    assert run.trainer.global_step == 3
    assert type(run.model.problem).__name__ == "Wave"


def test_the_equation_of_the_page_is_solved_by_a_standing_wave(wave: Any) -> None:
    problem = wave.Wave(speed=2.0)
    points = torch.rand(20, 2, dtype=torch.float64)

    def standing(at: Tensor) -> AutogradField:
        return AutogradField(lambda p: torch.sin(torch.pi * p[:, :1]) * torch.cos(2 * torch.pi * p[:, 1:]), at, "xt")

    residual = problem.residual(problem.columns(points), standing(points))
    assert residual.abs().max() < 1e-12
    for condition in problem.conditions():
        at = condition.place(points, problem.coordinates)
        torch.testing.assert_close(condition.operator(standing(at), None), condition.target(at), rtol=0, atol=1e-12)


@pytest.mark.usefixtures("kernel")
def test_the_networks_of_the_page_train_each_on_its_own() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[2], names)
    assert names["losses"].shape == (8,)
    assert names["losses"].isfinite().all()
    assert len({loss.item() for loss in names["losses"]}) == 8


def test_the_bare_loop_of_the_page_trains_and_gives_derivatives() -> None:
    names: dict[str, Any] = {}
    torch.manual_seed(0)
    exec(blocks("python")[3], names)
    assert list(names["terms"]) == ["residual", "initial", "left", "right"]
    torch.manual_seed(0)
    untrained = laaf.Solution(names["problem"], laaf.MLP(2, 1, width=20, depth=4, scope="neuron", n=10))
    assert sum(names["terms"].values()) < sum(untrained.loss_terms(names["batch"]).values())
    assert names["u_x"].shape == (5, 1)


def test_the_activation_of_the_page_passes_taylor_mode() -> None:
    namespace: dict[str, Any] = {"torch": torch}
    exec(blocks("python")[1], namespace)
    network = laaf.MLP(2, 1, width=5, depth=2, activation=namespace["Gaussian"](), scope="neuron", n=2).double()
    points = torch.rand(7, 2, dtype=torch.float64)
    orders = [*itertools.combinations_with_replacement(range(2), 2)]
    taylor, oracle = TaylorField(network, points, ["x", "t"], orders), AutogradField(network, points, ["x", "t"])
    for by in itertools.combinations_with_replacement(["x", "t"], 2):
        torch.testing.assert_close(taylor.d(*by), oracle.d(*by), rtol=1e-12, atol=1e-13)


def test_the_optimisers_page_shows_what_its_config_has_and_its_code_builds_the_same() -> None:
    (shown,) = (yaml.safe_load(block) for block in blocks("yaml", OPTIMIZERS))
    (_, _, *command), *_ = commands(OPTIMIZERS)
    config = yaml.safe_load(Path(find_config(command[-1])).read_text(encoding="utf-8"))
    assert shown["optimizer"] == config["model"]["init_args"]["optimizer"]
    namespace: dict[str, Any] = {}
    exec(blocks("python", OPTIMIZERS)[0], namespace)
    built = namespace["pinn"].configure_optimizers()
    assert [type(stage) for stage in built.stages] == [torch.optim.Adam, laaf.SelfScaledBroyden]
    assert built.stages[0].param_groups[0]["lr"] == 5e-3
    assert built.stages[1].param_groups[0]["max_iter"] == 50


@pytest.mark.parametrize("command", commands(OPTIMIZERS), ids=" ".join)
def test_the_commands_of_the_optimisers_page_are_complete(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert command[:2] == ["laaf", "fit"]
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        main([*command[1:], "--print_config"])
    assert ended.value.code == 0


def test_the_shapes_of_the_page_are_what_it_says() -> None:
    namespace: dict[str, Any] = {}
    for block in blocks("python", PAGE.partition("## Shapes")[2]):
        exec(block, namespace)
    boundary, problem, clover = namespace["boundary"], namespace["problem"], namespace["Clover"]()
    assert problem.coordinates == ("x", "y")
    assert problem.domain["x"] == (-1.0, 1.0)
    assert namespace["l_shape"].contains(boundary.points).all()
    assert boundary.normals.shape == (400, 2)
    laaf.PINN(problem, width=4, depth=1)
    assert clover.contains(clover.sample_interior(200)).all()
    assert clover.depth(clover.sample_boundary(1000).points).count_nonzero() == 0


def test_the_plate_of_the_page_trains_with_every_condition_and_its_coefficient() -> None:
    names: dict[str, Any] = {}
    exec(next(block for block in blocks("python") if "class Plate" in block), names)
    batch = names["data"].train_dataloader().batch
    assert batch.condition_counts == {"cooling": 100, "warm": 100, "tight": 100, "thermometer": 1}
    names["pinn"].loss(batch).backward()
    assert names["pinn"].coefficients["rate"].grad.abs() > 0
