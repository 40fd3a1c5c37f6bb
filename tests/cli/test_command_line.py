from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning import (
    PINN,
    Burgers,
    DiscontinuousFunctionDataModule,
    FunctionRegressor,
    ImageClassifier,
    slope_parameter_groups,
    slope_recovery,
)
from laaf_lightning.cli import LAAFCommandLine
from tests.cli.command import CONFIGS, TINY, checkpoint_of, folder_of, laaf

N = 10
LOG_EVERY_STEP = "--trainer.log_every_n_steps=1"
GRID = ("--trainer.limit_val_batches=1", "--data.num_test_points=20")
WARM_UP = ("--slope_recovery.weight=laaf_lightning.OffAfter", "--slope_recovery.weight.steps=2")
SGD = (
    "--model.optimizer=torch.optim.SGD",
    "--model.optimizer.lr=0.05",
    "--model.optimizer.momentum=0.9",
    "--model.lr_scheduler=torch.optim.lr_scheduler.StepLR",
    "--model.lr_scheduler.step_size=2",
    "--model.lr_scheduler.gamma=0.5",
)


def small_regressor(scope: str = "layer") -> FunctionRegressor:
    """The network of TINY with the weights that the seed 0 gives it."""
    torch.manual_seed(0)
    return FunctionRegressor(width=4, depth=2, scope=scope, n=N)  # type: ignore[arg-type]


def plain_loop(
    model: FunctionRegressor, steps: int, weight: Callable[[int], float], reduction: str, sgd: bool
) -> dict[str, Tensor]:
    """Train without Lightning."""
    x, u = (part.float() for part in DiscontinuousFunctionDataModule(num_points=10).training_points())
    groups = slope_parameter_groups(model)
    optimizer = torch.optim.SGD(groups, 0.05, momentum=0.9) if sgd else torch.optim.Adam(groups, 2e-4)
    for step in range(steps):
        if sgd:
            for group in optimizer.param_groups:
                group["lr"] = 0.05 * 0.5 ** (step // 2)
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model.network(x), u)
        (loss + weight(step) * slope_recovery(model, reduction=reduction)).backward()  # type: ignore[arg-type]
        optimizer.step()
    return model.state_dict()


@pytest.mark.parametrize(
    ("arguments", "weight", "reduction"),
    [
        ((), lambda step: 1.0, "mean"),
        (("--slope_recovery.weight=0",), lambda step: 0.0, "mean"),
        (("--slope_recovery.reduction=sum",), lambda step: 1.0, "sum"),
        (WARM_UP, lambda step: 1.0 if step < 2 else 0.0, "mean"),
        (SGD, lambda step: 1.0, "mean"),
    ],
    ids=["default", "only_logged", "sum", "warm_up", "optimizer_and_scheduler"],
)
def test_a_run_ends_with_the_parameters_of_a_plain_loop(
    arguments: tuple[str, ...], weight: Callable[[int], float], reduction: str
) -> None:
    run = laaf("fit", *TINY, *arguments, "--trainer.max_steps=5")
    expected = plain_loop(small_regressor(), 5, weight, reduction, sgd=arguments == SGD)
    for name, value in run.model.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)


def test_scope_and_n_come_from_the_command_line() -> None:
    run = laaf("fit", *TINY, "--model.scope=neuron", "--model.n=5", "--trainer.max_steps=0")
    slopes = [site.a for site in run.model.network.activations]
    assert [tuple(a.shape) for a in slopes] == [(4,), (4,)]
    assert all(bool((a == 1 / 5).all()) for a in slopes)


def test_a_later_configuration_goes_over_an_earlier_one() -> None:
    Path("overlay.yaml").write_text("model:\n  init_args:\n    width: 3\nslope_recovery:\n  weight: 0\n")
    run = laaf("fit", *TINY[:1], "--config=overlay.yaml", *TINY[2:], "--trainer.max_steps=0")
    assert run.model.hparams["width"] == 3
    assert run.model.hparams["depth"] == 2


def test_the_problem_goes_from_the_model_to_the_data() -> None:
    run = laaf(
        "fit",
        f"--config={CONFIGS / 'burgers_paper.yaml'}",
        "--model.problem.viscosity=0.1",
        "--model.width=4",
        "--data.num_residual=20",
        "--trainer.fast_dev_run=true",
    )
    assert run.model.problem == run.datamodule.problem == Burgers(0.1)
    points, exact = next(iter(run.datamodule.test_dataloader()))
    torch.testing.assert_close(exact.double(), Burgers(0.1).exact(points.double()), rtol=1e-4, atol=1e-5)


@dataclass(frozen=True)
class Trained:
    """A run of one epoch of two steps, and where it lies."""

    model: FunctionRegressor
    config: Path
    checkpoint: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = laaf("fit", *TINY, "--model.scope=neuron", "--data.steps_per_epoch=2")
        return Trained(run.model, folder / folder_of(run) / "config.yaml", folder / checkpoint_of(run))


def relative_l2(model: FunctionRegressor) -> float:
    """On the grid of GRID, in float64."""
    x = np.linspace(-3, 3, 20)
    exact = np.where(x <= 0, 0.2 * np.sin(6 * x), 1 + 0.1 * x * np.cos(18 * x))
    with torch.no_grad():
        predicted = copy.deepcopy(model).double()(torch.from_numpy(x)[:, None])[:, 0].numpy()
    return float(np.linalg.norm(predicted - exact) / np.linalg.norm(exact))


def reload(trained: Trained, subcommand: str, *args: str) -> LAAFCommandLine:
    return laaf(subcommand, f"--config={trained.config}", f"--ckpt_path={trained.checkpoint}", *args)


@pytest.mark.slow
def test_validate_test_and_predict_take_the_saved_configuration_and_checkpoint(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    predicted = reload(trained, "predict", *GRID)
    said = capsys.readouterr().out
    file = folder_of(predicted) / "predictions.npz"
    assert said.splitlines()[-1] == f"20 predictions (x, prediction, target) in {file}"
    with np.load(file, allow_pickle=False) as arrays:
        output = torch.from_numpy(arrays["prediction"])
    grid = torch.linspace(-3, 3, 20)[:, None]
    torch.testing.assert_close(output, trained.model.cpu()(grid)[:, 0].detach())

    expected = relative_l2(trained.model)
    for subcommand, stage in (("validate", "val"), ("test", "test")):
        run = reload(trained, subcommand, *GRID)
        said = capsys.readouterr().out.splitlines()[-1]
        assert said == f"relative L2 error {expected:.4g}; logs and figures in {folder_of(run)}"
        assert float(run.trainer.callback_metrics[f"{stage}/relative_l2"]) == pytest.approx(expected, rel=1e-5)


def test_a_checkpoint_rebuilds_its_module_alone(trained: Trained) -> None:
    rebuilt = FunctionRegressor.load_from_checkpoint(trained.checkpoint, weights_only=True)
    expected = trained.model.state_dict()
    assert rebuilt.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in rebuilt.state_dict().items())
    assert rebuilt.configure_optimizers().defaults["lr"] == 2e-4


@pytest.mark.parametrize(
    ("config", "module", "arguments"),
    [
        ("burgers_paper", PINN, ("--model.width=4", "--data.num_residual=20", "--model.problem.viscosity=0.1")),
        ("semeion", ImageClassifier, ()),
    ],
)
def test_a_checkpoint_of_every_module_rebuilds_alone(
    config: str, module: type[PINN] | type[ImageClassifier], arguments: tuple[str, ...]
) -> None:
    run = laaf("fit", f"--config={CONFIGS / config}.yaml", *arguments, "--trainer.fast_dev_run=true")
    run.trainer.save_checkpoint("trained.ckpt")
    rebuilt = module.load_from_checkpoint("trained.ckpt", weights_only=True)
    expected = run.model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in rebuilt.state_dict().items())
    if isinstance(rebuilt, PINN):
        assert rebuilt.problem == Burgers(0.1)
    else:
        assert (rebuilt.num_classes, rebuilt.in_channels, rebuilt.image_size) == (10, 1, 16)


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_unbroken_one_does(trained: Trained) -> None:
    resumed = reload(trained, "fit", "--trainer.max_steps=6")
    unbroken = laaf("fit", *TINY, "--model.scope=neuron", "--data.steps_per_epoch=2", "--trainer.max_steps=6")
    assert resumed.trainer.global_step == unbroken.trainer.global_step == 6
    for name, value in unbroken.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, msg=name)


def test_a_setting_beside_a_checkpoint_is_not_replaced_by_the_checkpoints(trained: Trained) -> None:
    run = reload(trained, "fit", "--model.slope_lr=0.5", "--trainer.max_steps=2")
    assert run.model.hparams["slope_lr"] == 0.5


@pytest.mark.slow
def test_the_end_says_the_error_after_the_last_step(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Validation falls on step 2 of 3: without another one the error would be an old one.
    run = laaf("fit", *TINY, *GRID, "--trainer.max_steps=3", "--data.steps_per_epoch=2")
    said = capsys.readouterr().out.splitlines()[-1]
    expected = relative_l2(run.model)
    folder = folder_of(run)
    (best,) = (folder / "checkpoints").glob("best-step=*.ckpt")
    kept = type(run.model).load_from_checkpoint(best, weights_only=True)
    assert re.fullmatch(
        rf"relative L2 error {expected:.4g} after 3 optimiser steps in [\d.]+ s; logs and figures in {folder}; "
        rf"the best, {relative_l2(kept):.4g}, is kept in {re.escape(str(best))}",
        said,
    )
    assert relative_l2(kept) <= expected
    assert re.fullmatch(r"runs/discontinuous_paper/layer-n10-recovery/[-0-9T]+", str(folder))
    assert len(list((folder / "figures").glob("*.png"))) >= 3


def test_without_validation_the_end_says_the_training_loss(capsys: pytest.CaptureFixture[str]) -> None:
    run = laaf("fit", *TINY, "--trainer.logger=false")
    loss = float(run.trainer.callback_metrics["train/loss"])
    said = capsys.readouterr().out.splitlines()[-1]
    begin = f"last logged training loss {loss:.4g} after 2 optimiser steps in "
    assert re.fullmatch(re.escape(begin) + rf"[\d.]+ s; checkpoints in {folder_of(run)}", said)


@pytest.mark.slow
def test_what_lightning_says_of_itself_is_silent_and_all_else_is_not(trained: Trained) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reload(trained, "fit", "--trainer.max_steps=4", "--trainer.precision=bf16-true")
        warnings.warn("after the run", UserWarning, stacklevel=1)
    said = {str(warning.message) for warning in caught}
    assert not [text for text in said if "LeafSpec" in text or "dirpath" in text or "deprecated" in text]
    assert "after the run" in said
    assert [text for text in said if "precision bf16-true" in text]
