"""What laaf predict writes, by the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from laaf_lightning import Burgers, ImageClassifier
from laaf_lightning.cli import LAAFCommandLine
from laaf_lightning.cli.run.predictions.columns import columns_of, noted_logits
from tests.cli.command import CONFIGS, QUIET, TINY, folder_of, laaf, refusal
from tests.cli.test_main import command, finished

BURGERS = (f"--config={CONFIGS / 'burgers_paper.yaml'}", "--model.width=4", "--model.depth=2")
SEMEION = (f"--config={CONFIGS / 'semeion.yaml'}", "--data.test_size=150")


def arrays_of(run: LAAFCommandLine) -> dict[str, npt.NDArray[Any]]:
    with np.load(folder_of(run) / "predictions.npz", allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


def test_a_pinn_writes_coordinates_unknown_and_exact_solution_on_the_grid(capsys: pytest.CaptureFixture[str]) -> None:
    run = laaf("predict", *BURGERS)
    arrays, grid = arrays_of(run), Burgers().grid().float()
    assert list(arrays) == ["x", "t", "u", "exact_u"]
    points = torch.from_numpy(np.stack([arrays["x"], arrays["t"]], axis=1))
    torch.testing.assert_close(points, grid, rtol=0, atol=0)
    torch.testing.assert_close(torch.from_numpy(arrays["u"]), run.model(grid)[:, 0].detach())
    torch.testing.assert_close(torch.from_numpy(arrays["exact_u"]), Burgers().exact(points.double())[:, 0])
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"{len(grid):,} predictions (x, t, u, exact_u) in {folder_of(run) / 'predictions.npz'}"


def test_points_of_a_file_stand_in_its_order_in_full_precision_with_derivatives(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rng = np.random.default_rng(0)
    t, x = rng.uniform(0, 0.99, 20_000), rng.uniform(-1, 1, 20_000)
    x[7] = 1.5
    np.savetxt("points.csv", np.column_stack([t, x]), delimiter=",", header="t,x", comments="")
    run = laaf("predict", *BURGERS, "--points=points.csv", "--derivatives=u_xx,u_t", "--trainer.precision=64-true")
    arrays = arrays_of(run)
    assert list(arrays) == ["x", "t", "u", "exact_u", "u_xx", "u_t"]
    np.testing.assert_array_equal(arrays["t"], np.loadtxt("points.csv", delimiter=",", skiprows=1)[:, 0])
    assert [*np.flatnonzero(np.isnan(arrays["exact_u"]))] == [7]
    step = 1e-4
    shifted = [run.model.double()(torch.tensor(np.stack([x, t + h], axis=1)))[:, 0] for h in (-step, step)]
    expected = ((shifted[1] - shifted[0]) / (2 * step)).detach().numpy()
    np.testing.assert_allclose(arrays["u_t"], expected, rtol=1e-4, atol=1e-6)
    assert "; 1 of these points lie outside the domain of Burgers" in capsys.readouterr().out.splitlines()[-1]


def test_a_file_of_predictions_is_a_file_of_points() -> None:
    np.savez("points.npz", points=np.array([[0.5, 0.25], [-0.5, 0.75]]))
    first = laaf("predict", *BURGERS, "--points=points.npz")
    second = laaf("predict", *BURGERS, f"--points={folder_of(first) / 'predictions.npz'}")
    for name, values in arrays_of(first).items():
        np.testing.assert_array_equal(arrays_of(second)[name], values)


def test_a_regressor_writes_x_prediction_and_target() -> None:
    run = laaf("predict", *TINY, "--data.num_test_points=20")
    arrays = arrays_of(run)
    assert {name: values.shape for name, values in arrays.items()} == dict.fromkeys(
        ("x", "prediction", "target"), (20,)
    )
    Path("points.csv").write_text("x\n0.25\n-3\n")
    run = laaf("predict", *TINY, "--points=points.csv")
    arrays = arrays_of(run)
    np.testing.assert_array_equal(arrays["x"], np.array([0.25, -3], np.float32))
    torch.testing.assert_close(torch.from_numpy(arrays["prediction"]), run.model(arrays["x"])[:, 0].detach())


def test_a_classifier_writes_logits_label_probability_target_and_position() -> None:
    run = laaf("predict", *SEMEION)
    arrays = arrays_of(run)
    loader = run.datamodule.predict_dataloader()
    images, labels = (torch.cat(parts) for parts in zip(*loader, strict=True))
    logits = run.model(images).detach().numpy()
    np.testing.assert_allclose(arrays["logits"], logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(arrays["label"], logits.argmax(axis=1))
    odds = np.exp(logits)
    np.testing.assert_allclose(arrays["probability"], odds.max(axis=1) / odds.sum(axis=1), rtol=1e-4)
    np.testing.assert_array_equal(arrays["target"], labels)
    np.testing.assert_array_equal(arrays["index"], np.arange(150))
    assert "forward" not in vars(run.model)


@pytest.mark.long
@pytest.mark.slow
def test_two_ranks_write_every_image_once_into_two_files() -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    words = ["predict", SEMEION[0], "--data.test_size=151", *QUIET, "--trainer.devices=2", "--trainer.strategy=ddp"]
    status, out, err = finished(command(*words, launcher=launcher))
    assert status == 0, err
    files = sorted(Path("runs").rglob("*.npz"))
    assert [file.name for file in files] == ["predictions-rank0.npz", "predictions-rank1.npz"]
    assert out.splitlines()[-1].endswith(f" in {files[0]}, those of the other ranks beside it")
    index = np.concatenate([np.load(file, allow_pickle=False)["index"] for file in files])
    assert sorted(index) == list(range(151))


def test_logits_are_left_out_where_a_users_prediction_is_not_made_of_them() -> None:
    model = ImageClassifier("lenet", num_classes=3, in_channels=1, image_size=16)
    images = torch.rand(4, 1, 16, 16)
    with noted_logits(model) as noted:
        model.predict_step(images, 0)
    uniform = torch.full((4, 3), 1 / 3) + torch.tensor([0.2, 0.0, -0.2])
    columns = columns_of(model, (images, torch.arange(4)), uniform, *noted)
    assert list(columns) == ["label", "probability", "target"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*BURGERS, "--points=nowhere.csv"), "points='nowhere.csv': there is no such file"),
        ((*BURGERS, "--derivatives=u_y"), "unknown derivatives 'u_y': of Burgers there are u_x, u_t"),
        ((*TINY, "--derivatives=u_x"), "derivatives=u_x: FunctionRegressor has no named coordinates"),
        ((*SEMEION, "--points=nowhere.csv"), "points is for a PINN or a FunctionRegressor"),
    ],
)
def test_what_cannot_be_predicted_is_refused_and_leaves_nothing(
    arguments: tuple[str, ...], sentence: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(capsys, "predict", *arguments).startswith(sentence)
    assert not [path for path in workplace.rglob("*") if path.is_file()]


def test_only_predict_takes_points(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.match("unrecognized arguments: --points", refusal(capsys, "test", *TINY, "--points=points.csv"))


def test_a_dry_run_writes_nothing(workplace: Path) -> None:
    laaf("predict", *TINY, "--trainer.fast_dev_run=true")
    assert not list(workplace.rglob("*.npz"))


FOREIGN = """
from pytorch_lightning import LightningModule
class Foreign(LightningModule):
    def predict_step(self, batch, batch_idx):
        x, u = batch
        return {KIND}
"""


@pytest.mark.parametrize(
    ("kind", "names"), [("2 * x", ["prediction"]), ("{'twice': 2 * x, 'square': x * x}", ["twice", "square"])]
)
def test_a_users_module_writes_what_it_returns(
    kind: str, names: list[str], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"foreign_{len(names)}"
    (workplace / f"{name}.py").write_text(FOREIGN.replace("{KIND}", kind))
    monkeypatch.syspath_prepend(workplace)
    data = "--data=laaf_lightning.DiscontinuousFunctionDataModule"
    run = laaf("predict", f"--model={name}.Foreign", data, "--slope_recovery.weight=0")
    arrays = arrays_of(run)
    assert list(arrays) == names
    np.testing.assert_allclose(arrays[names[0]], 2 * np.linspace(-3, 3, 1000), rtol=1e-5, atol=1e-5)


def test_a_users_module_that_returns_no_arrays_is_refused(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "foreign_text.py").write_text(FOREIGN.replace("{KIND}", "'text'"))
    monkeypatch.syspath_prepend(workplace)
    data = "--data=laaf_lightning.DiscontinuousFunctionDataModule"
    said = refusal(capsys, "predict", "--model=foreign_text.Foreign", data, "--slope_recovery.weight=0")
    assert said.startswith("predict_step of Foreign gave prediction as str, which no array holds")
