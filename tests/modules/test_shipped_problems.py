"""Every problem that is shipped trains, is validated and drawn, without a warning."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.loggers import TensorBoardLogger

import laaf_lightning as laaf
from laaf_lightning.callbacks import FigureCallback
from laaf_lightning.data import CollocationDataModule
from laaf_lightning.derivatives import AutogradField
from laaf_lightning.modules import PINN
from laaf_lightning.problems import (
    PDE,
    AllenCahn,
    Burgers,
    Heat,
    HeatPlate,
    Helmholtz,
    InverseBurgers,
    Kovasznay,
    Lorenz,
    PoissonDisc,
    PoissonL,
    Wave,
)
from tests.trainers import quiet_trainer

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "own_equation.ipynb"
SPACE_TIME, PLANE, LINE = (
    ["error", "field", "slices", "spectrum"],
    ["error", "field"],
    ["error", "solution", "spectrum"],
)
SHIPPED: dict[str, tuple[PDE, list[str]]] = {
    "burgers": (Burgers(0.1), SPACE_TIME),
    "burgers hard": (Burgers(0.1, hard_conditions=True), SPACE_TIME),
    "helmholtz": (Helmholtz(), PLANE),
    "helmholtz hard": (Helmholtz(hard_conditions=True), PLANE),
    "allen-cahn": (AllenCahn(diffusivity=0.01, reaction=2.0), SPACE_TIME),
    "allen-cahn hard": (AllenCahn(diffusivity=0.01, reaction=2.0, hard_conditions=True), SPACE_TIME),
    "heat": (Heat(), SPACE_TIME),
    "inverse burgers": (InverseBurgers(0.1, num_measurements=20), SPACE_TIME),
    "heat plate": (HeatPlate(), []),
    "heat plate hard": (HeatPlate(hard_conditions=True), []),
    "kovasznay": (Kovasznay(), [f"{unknown}_{figure}" for unknown in "puv" for figure in PLANE]),
    "kovasznay hard": (
        Kovasznay(hard_conditions=True),
        [f"{unknown}_{figure}" for unknown in "puv" for figure in PLANE],
    ),
    "lorenz": (Lorenz(num_measurements=5), [f"{unknown}_{figure}" for unknown in "xyz" for figure in LINE]),
    "poisson disc": (PoissonDisc(), PLANE),
    "poisson l": (PoissonL(), PLANE),
    "poisson l hard": (PoissonL(hard_conditions=True), PLANE),
    "wave": (Wave(), SPACE_TIME),
    "wave hard": (Wave(hard_conditions=True), SPACE_TIME),
}


def test_no_public_problem_is_missing() -> None:
    public = {value for value in vars(laaf.problems).values() if isinstance(value, type) and issubclass(value, PDE)}
    assert {type(problem) for problem, _ in SHIPPED.values()} == public - {PDE}


@pytest.mark.long
@pytest.mark.parametrize("name", SHIPPED)
def test_three_steps_change_all_parameters_and_leave_figures(name: str, tmp_path: Path) -> None:
    problem, drawn = SHIPPED[name]
    torch.manual_seed(0)
    model = PINN(problem, width=6, depth=2, scope="neuron", n=2)
    before = {key: parameter.detach().clone() for key, parameter in model.named_parameters()}
    data = CollocationDataModule(problem, 20, 6, batch_size=8, steps_per_epoch=3)
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    trainer = quiet_trainer(max_epochs=1, logger=logger, callbacks=[FigureCallback(every_n_steps=None, dpi=20)])
    trainer.fit(model, datamodule=data)
    assert trainer.global_step == 3
    assert all(not torch.equal(parameter, before[key]) for key, parameter in model.named_parameters())
    assert all(value.isfinite() for value in trainer.callback_metrics.values())
    files = sorted(path.stem for path in (tmp_path / "run" / "version_0" / "figures").glob("*.png"))
    assert files == [f"{type(problem).__name__.lower()}_{figure}" for figure in drawn]


def own_equation() -> tuple[str, type[PDE]]:
    """Read the class of the notebook as its text, and run it."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    (cell,) = ("".join(cell["source"]) for cell in cells if "(laaf.PDE)" in "".join(cell["source"]))
    names: dict[str, Any] = {"__name__": __name__, "laaf": laaf, "torch": torch}
    exec(cell, names)
    return cell, names["KdV"]


def test_an_equation_of_ones_own_takes_25_lines_or_fewer() -> None:
    (kind,) = (node for node in ast.parse(own_equation()[0]).body if isinstance(node, ast.ClassDef))
    assert kind.end_lineno is not None
    assert kind.end_lineno - min(kind.lineno, *(decorator.lineno for decorator in kind.decorator_list)) + 1 <= 25


def test_the_notebooks_exact_solution_solves_its_equation_and_meets_its_conditions() -> None:
    problem = own_equation()[1]()
    bounds: Mapping[str, tuple[float, float]] = problem.domain
    lower, upper = torch.tensor([bounds[name] for name in problem.coordinates], dtype=torch.float64).T
    box = torch.rand(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points = lower + (upper - lower) * box

    def field(at: torch.Tensor) -> AutogradField:
        return AutogradField(problem.exact, at, problem.coordinates)  # type: ignore[arg-type]  # it has one

    u = field(points)
    assert u.d("x", "x", "x").abs().max() > 0.1
    assert problem.residual(problem.columns(points), u).abs().max() < 1e-12
    for condition in problem.conditions():
        at = condition.place(points, problem.coordinates)
        misfit = condition.operator(field(at), None) - condition.target(at)
        # The notebook says of its slope that it is right to a hundredth, at a place where u itself is small.
        tolerance = 1e-2 * u.value.abs().max() if condition.name == "slope" else 1e-14
        assert misfit.abs().max() <= tolerance


def test_the_notebooks_equation_trains_by_taylor_mode() -> None:
    problem = own_equation()[1]()
    model = PINN(problem, width=6, depth=2, scope="neuron")
    assert str(model.differentiator) == "u, u_x, u_xxx, u_t by Taylor mode"
    trainer = quiet_trainer(max_steps=3, max_epochs=-1)
    data = CollocationDataModule(problem, 20, 6, steps_per_epoch=3)
    trainer.fit(model, datamodule=data)
    assert trainer.global_step == 3
    assert trainer.callback_metrics["val/relative_l2"].isfinite()
