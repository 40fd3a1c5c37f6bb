from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning import PDE, PINN, CollocationDataModule, ConfigurationError, Disc
from laaf_lightning.data.points import grid_batches
from laaf_lightning.data.points.grid_batches import GridBatches
from laaf_lightning.data.points.repeated_batch import RepeatedBatch
from laaf_lightning.derivatives import Field
from laaf_lightning.problems import Condition, Dirichlet, exact_solution, own_grid
from tests.trainers import quiet_trainer


class Plain(PDE):
    """u = x·y on axes of its own."""

    coordinates = ("x", "y")
    domain: ClassVar = {"x": (-1.0, 1.0), "y": (-1.0, 1.0)}

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("x")

    def conditions(self) -> Sequence[Condition]:
        return [Dirichlet("left", ("x", -1.0), 0.0)]

    def axes(self) -> Any:
        return {"y": np.linspace(-1, 1, 30), "x": torch.linspace(-1, 1, 20).tolist()}

    def exact(self, points: Tensor) -> Any:
        return points.prod(dim=1).numpy()


class Round(Plain):
    geometry = Disc()

    def conditions(self) -> Sequence[Condition]:
        return ()


@pytest.mark.parametrize("problem", [Plain(), Round()])
@pytest.mark.parametrize("world_size", [1, 3])
def test_batches_are_the_grid_in_its_order_and_ranks_take_turns(problem: PDE, world_size: int) -> None:
    whole = problem.grid()
    for rank in range(world_size):
        batches = GridBatches(problem, lambda points: points, rank, world_size, size=7)
        assert torch.equal(torch.cat([*batches]), whole[rank::world_size])
        assert len(batches) == 86


def test_a_large_grid_is_validated_tested_and_predicted_as_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, data = PINN(Plain(), width=4, depth=1), CollocationDataModule(Plain(), 20, 5)
    trainer = quiet_trainer()
    loader = data.val_dataloader()
    assert isinstance(loader, RepeatedBatch)
    (expected,) = trainer.validate(model, data, verbose=False)
    at_once = torch.cat([*trainer.predict(model, data)])  # type: ignore[misc]
    monkeypatch.setattr(grid_batches, "_ONE_BATCH", 100)
    monkeypatch.setattr(GridBatches.__init__, "__defaults__", (0, 1, 64))
    assert isinstance(data.val_dataloader(), GridBatches)
    (logged,) = trainer.validate(model, data, verbose=False)
    assert logged["val/relative_l2"] == pytest.approx(expected["val/relative_l2"], rel=1e-12)
    (tested,) = trainer.test(model, data, verbose=False)
    assert tested["test/relative_l2"] == pytest.approx(expected["val/relative_l2"], rel=1e-12)
    predicted = trainer.predict(model, data)
    assert predicted is not None
    assert len(predicted) == 10
    torch.testing.assert_close(torch.cat([*predicted]), at_once)


def test_a_grid_of_the_problems_own_is_taken_as_array_or_tensor() -> None:
    class Own(Plain):
        def grid(self) -> Any:
            return np.array([[0.5, 0.5], [0.25, -1.0]], np.float32)

    ((points, u),) = CollocationDataModule(Own(), 20, 5).val_dataloader()
    assert points.tolist() == [[0.5, 0.5], [0.25, -1.0]]
    assert u.tolist() == [[0.25], [-0.25]]
    assert own_grid(Plain()) is None


def test_exact_solutions_are_asked_for_in_parts_unless_they_are_tables() -> None:
    class Asked(Plain):
        def exact(self, points: Tensor) -> Any:
            counts.append(len(points))
            return points.sum(dim=1)

    class Table(Plain):
        def exact(self, points: Tensor) -> Any:
            return np.arange(100_000.0)

    counts: list[int] = []
    points = torch.rand(100_000, 2)
    assert torch.equal(exact_solution(Asked(), points), points.sum(dim=1, keepdim=True))  # type: ignore[arg-type]
    assert counts == [65_536, 100_000 - 65_536]
    assert torch.equal(exact_solution(Table(), points)[:, 0], torch.arange(100_000).double())  # type: ignore[index]


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [
        ({"x": [0.0]}, r"axes\(\) gives those of x: it must map each coordinate \(x, y\) to its values"),
        ([0.0, 1.0], r"axes\(\) gives \[0.0, 1.0\]: it must map each coordinate"),
        ({"x": [[0.0]], "y": [0.0]}, r"axes\(\)\['x'\] has shape \(1, 1\): it must be finite values, shape \(M,\)"),
        ({"x": [0.0], "y": [np.nan]}, r"axes\(\)\['y'\] has shape \(1,\): it must be finite values"),
        ({"x": [0.0], "y": ["a"]}, r"axes\(\)\['y'\] is .*: it must be real numbers"),
    ],
)
def test_axes_that_are_none_are_one_sentence(axes: Any, sentence: str) -> None:
    class Wrong(Plain):
        def axes(self) -> Any:
            return axes

    with pytest.raises(ConfigurationError, match=sentence):
        CollocationDataModule(Wrong(), 20, 5).val_dataloader()


@pytest.mark.parametrize("points", [np.zeros((3, 3)), np.zeros((0, 2)), np.zeros(3)])
def test_a_grid_that_is_none_is_one_sentence(points: Any) -> None:
    class Wrong(Plain):
        def grid(self) -> Any:
            return points

    with pytest.raises(ConfigurationError, match=r"Wrong.grid\(\) has shape .*: it must give points of shape \(N, 2\)"):
        CollocationDataModule(Wrong(), 20, 5).val_dataloader()


LARGE = """
import resource, sys
import pytorch_lightning as pl, torch
import laaf_lightning as laaf

class Heat(laaf.PDE):
    coordinates = tuple("xyzt")
    domain = {name: (0.0, 1.0) for name in "xyzt"}
    def residual(self, x, u): return u.d("t") - u.d("x", "x") - u.d("y", "y") - u.d("z", "z")
    def conditions(self): return [laaf.Dirichlet("start", ("t", 0.0), 0.0)]
    def exact(self, points): return torch.sin(points[:, :1] * torch.arange(1.0, 101.0, dtype=points.dtype)).sum(1)
    def axes(self): return {name: torch.linspace(0, 1, 60, dtype=torch.float64) for name in "xyzt"}

class Small(Heat):
    def axes(self): return {name: torch.linspace(0, 1, 9, dtype=torch.float64) for name in "xyzt"}

def measure(problem):
    model, data = laaf.PINN(problem, width=20, depth=2), laaf.CollocationDataModule(problem, 100, 20)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    trainer.validate(model, data, verbose=False)
    model.figure_data()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = measure(Small())
print(measure(Heat()) - before, file=sys.stderr)
"""


@pytest.mark.slow
def test_thirteen_million_points_are_validated_in_little_memory() -> None:
    run = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    # The points alone, in float64, would take 415 megabytes, and the exact solution's sines at them 10 gigabytes.
    assert int(run.stderr.splitlines()[-1]) < 300_000
