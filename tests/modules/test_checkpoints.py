from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam
from torch.optim.lr_scheduler import MultiStepLR

from laaf_lightning.cli import main
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN, AdaptiveModule, BurgersPINN, FunctionRegressor, ImageClassifier
from laaf_lightning.modules.hyper_parameters import is_plain
from laaf_lightning.problems import Burgers
from tests.modules.small import (
    Batches,
    Reaction,
    burgers_data,
    image_batches,
    regression_data,
    small_classifier,
    small_pinn,
    small_regressor,
)
from tests.trainers import quiet_trainer

OBJECTS: dict[str, Any] = {"optimizer": partial(SGD, lr=0.05), "lr_scheduler": partial(MultiStepLR, milestones=[2])}
POINT_JOBS: dict[str, tuple[Callable[..., AdaptiveModule], Callable[..., Any]]] = {
    "regressor": (small_regressor, regression_data),
    "pinn": (small_pinn, burgers_data),
}


def saved(model: AdaptiveModule, path: Path) -> Path:
    """Write the checkpoint of an untrained model as a Trainer does."""
    trainer = quiet_trainer()
    trainer.strategy.connect(model)
    model.trainer = trainer
    trainer.save_checkpoint(path / "model.ckpt", weights_only=True)
    return path / "model.ckpt"


def from_python(model: AdaptiveModule) -> dict[str, Any]:
    """What the checkpoint of a small classifier must not name: a class of the tests."""
    return {"network": model.hparams["network"]} if isinstance(model, ImageClassifier) else {}


def same_parameters(one: nn.Module, other: nn.Module) -> bool:
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(states[0][name], states[1][name]) for name in states[0]
    )


@pytest.mark.parametrize(
    "model",
    [
        small_pinn(viscosity=0.1, scope="neuron", weight_data=3.0, **OBJECTS),
        small_regressor(scope="channel", init="normal", **OBJECTS),
        small_classifier(scope="neuron", **OBJECTS),
    ],
    ids=lambda model: type(model).__name__,
)
def test_presets_rebuild_alone_from_plain_values(model: AdaptiveModule, tmp_path: Path) -> None:
    path = saved(model, tmp_path)
    checkpoint = torch.load(path, weights_only=True)
    assert is_plain(checkpoint["hyper_parameters"])
    twin = type(model).load_from_checkpoint(path, weights_only=True, **from_python(model))
    assert same_parameters(twin, model)
    assert {name: value for name, value in twin.hparams.items() if name != "lr_scheduler"} == model.hparams
    assert not set(OBJECTS) & set(model.hparams)


def test_a_pinn_is_rebuilt_with_its_problem(tmp_path: Path) -> None:
    model = PINN(Reaction(0.4), width=4, depth=1, scope="neuron")
    path = saved(model, tmp_path)
    twin = PINN.load_from_checkpoint(path, problem=Reaction(0.4), weights_only=True)
    assert same_parameters(twin, model)
    assert twin.problem == model.problem
    assert "problem" not in model.hparams


def test_a_pinn_without_its_problem_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = saved(PINN(Burgers(), width=4, depth=1), tmp_path)
    with pytest.raises(
        ConfigurationError, match=r"PINN needs problem=…, a PDE; .* PINN\.load_from_checkpoint\(path, problem=…\)"
    ):
        PINN.load_from_checkpoint(path)


def test_a_classifier_is_rebuilt_with_its_network_and_says_so_without(tmp_path: Path) -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(16**2, 3))

    model = small_classifier(network=network(), image_size=16)
    assert "network" not in model.hparams
    path = saved(model, tmp_path)
    assert same_parameters(ImageClassifier.load_from_checkpoint(path, network=network(), weights_only=True), model)
    with pytest.raises(
        ConfigurationError,
        match=r"the checkpoint does not hold network, .*: ImageClassifier\.load_from_checkpoint\(path, network=…\)",
    ):
        ImageClassifier.load_from_checkpoint(path)


def test_any_live_object_stays_out_of_the_checkpoint_and_is_asked_for(tmp_path: Path) -> None:
    class Shifted(FunctionRegressor):
        def __init__(self, shift: Callable[[float], float], **settings: Any) -> None:
            super().__init__(**settings)

    path = saved(Shifted(abs, width=4, depth=1), tmp_path)
    assert torch.load(path, weights_only=True)["hyper_parameters"] == {"width": 4, "depth": 1}
    assert Shifted.load_from_checkpoint(path, shift=abs, weights_only=True).hparams["width"] == 4
    with pytest.raises(TypeError, match="shift"):
        Shifted.load_from_checkpoint(path)


def test_a_live_default_is_not_asked_for(tmp_path: Path) -> None:
    class Measured(FunctionRegressor):
        def __init__(self, measure: Callable[..., int] = len, **settings: Any) -> None:
            super().__init__(**settings)

    path = saved(Measured(width=4, depth=1), tmp_path)
    assert Measured.load_from_checkpoint(path, weights_only=True).hparams == {"width": 4, "depth": 1}
    other = saved(Measured(sum, width=4, depth=1), tmp_path)
    with pytest.raises(
        ConfigurationError, match=r"does not hold measure, .*Measured\.load_from_checkpoint\(path, measure=…\)"
    ):
        Measured.load_from_checkpoint(other)


def test_a_preset_that_fixes_values_does_not_get_them_handed_back(tmp_path: Path) -> None:
    class Wide(PINN):
        def __init__(self, **settings: Any) -> None:
            super().__init__(problem=Burgers(), width=7, **settings)

    model = Wide(depth=2, n=3)
    assert model.hparams == {"depth": 2, "n": 3}
    assert same_parameters(Wide.load_from_checkpoint(saved(model, tmp_path), weights_only=True), model)


def test_numpy_scalars_are_saved_as_numbers(tmp_path: Path) -> None:
    model = FunctionRegressor(width=4, depth=1, n=np.float64(10))
    twin = FunctionRegressor.load_from_checkpoint(saved(model, tmp_path), weights_only=True)
    assert type(twin.hparams["n"]) is float
    assert twin.hparams["n"] == 10


@pytest.mark.parametrize("make", [small_regressor, small_pinn, small_classifier])
def test_a_checkpoint_with_another_n_is_an_error_that_names_both(
    make: Callable[..., AdaptiveModule], tmp_path: Path
) -> None:
    path = saved(make(n=4), tmp_path)
    with pytest.raises(
        RuntimeError, match=r"the checkpoint has n=4, this activation has n=10; build the model with n=4"
    ):
        type(make()).load_from_checkpoint(path, n=10, **from_python(make()))


def test_a_fixed_checkpoint_loads_into_another_scope_where_that_is_asked_for(tmp_path: Path) -> None:
    path = saved(small_regressor(scope="fixed"), tmp_path)
    with pytest.raises(RuntimeError, match="Missing key"):
        FunctionRegressor.load_from_checkpoint(path, scope="neuron")
    with pytest.warns(UserWarning, match="keys that are in the model state dict but not in the checkpoint"):
        model = FunctionRegressor.load_from_checkpoint(path, scope="neuron", strict=False)
    x = torch.rand(5, 1)
    assert torch.equal(model(x), small_regressor(scope="fixed")(x))


# Lightning's warning about a loader that cannot be resumed mid-epoch; a full batch has no place to resume at.
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended:UserWarning")
@pytest.mark.parametrize(
    "optimizer", [partial(Adam, lr=1e-2), partial(LBFGS, max_iter=3, line_search_fn="strong_wolfe")]
)
@pytest.mark.parametrize("stop", [4, 6], ids=["epoch's end", "mid-epoch"])
@pytest.mark.parametrize("precision", ["32-true", "64-true"])
@pytest.mark.parametrize("job", POINT_JOBS)
def test_resuming_a_full_batch_job_equals_never_stopping(
    job: str, precision: str, stop: int, optimizer: Callable[..., Any], tmp_path: Path
) -> None:
    make, data = POINT_JOBS[job]
    scheduler = partial(MultiStepLR, milestones=[3, 7], gamma=0.5)

    def fit(steps: int, checkpoint: Path | None = None) -> tuple[AdaptiveModule, Any]:
        torch.manual_seed(0)
        model = make(scope="neuron", optimizer=optimizer, lr_scheduler=scheduler)
        trainer = quiet_trainer(max_steps=steps, max_epochs=-1, limit_val_batches=0, precision=precision)
        trainer.fit(model, datamodule=data(steps_per_epoch=4), ckpt_path=checkpoint, weights_only=True)
        assert trainer.global_step == steps
        return model, trainer

    whole, _ = fit(9)
    _, trainer = fit(stop)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    resumed, _ = fit(9, tmp_path / "half.ckpt")
    assert same_parameters(resumed, whole)


def test_a_classifier_resumes_at_the_end_of_an_epoch(tmp_path: Path) -> None:
    def fit(epochs: int, checkpoint: Path | None = None) -> tuple[AdaptiveModule, Any]:
        model = small_classifier(
            optimizer=partial(SGD, lr=0.05, momentum=0.9), lr_scheduler=partial(MultiStepLR, milestones=[1])
        )
        trainer = quiet_trainer(max_epochs=epochs)
        trainer.fit(model, image_batches(), image_batches(1), ckpt_path=checkpoint, weights_only=True)
        return model, trainer

    whole, _ = fit(3)
    _, trainer = fit(1)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    assert same_parameters(fit(3, tmp_path / "one.ckpt")[0], whole)


# Lightning 2.6 calls jsonargparse by a deprecated name, and counts the loader's processes and batches.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("job", ["pinn", "classifier"])
def test_a_run_of_the_command_line_rebuilds_alone(job: str, tmp_path: Path) -> None:
    model = {
        "pinn": [
            "laaf_lightning.PINN",
            "--model.problem=laaf_lightning.Burgers",
            "--model.problem.viscosity=0.1",
            "--model.width=6",
            "--model.depth=2",
        ],
        "classifier": ["laaf_lightning.ImageClassifier", "--model.scope=channel"],
    }[job]
    data = {
        "pinn": ["laaf_lightning.CollocationDataModule", "--data.num_residual=20", "--data.num_condition=4"],
        "classifier": ["laaf_lightning.SemeionDataModule"],
    }[job]
    run = main(
        ["fit", f"--model={model[0]}", *model[1:], "--model.n=3", "--model.optimizer=torch.optim.SGD",
         "--model.optimizer.lr=0.01", f"--data={data[0]}", *data[1:], "--slope_recovery.weight=0",
         "--trainer.max_steps=1", "--trainer.accelerator=cpu", "--trainer.limit_val_batches=0",
         "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false",
         "--trainer.logger=false", "--trainer.enable_checkpointing=false", f"--trainer.default_root_dir={tmp_path}"]
    )  # fmt: skip
    run.trainer.save_checkpoint(tmp_path / "run.ckpt")
    kind = PINN if job == "pinn" else ImageClassifier
    twin = kind.load_from_checkpoint(tmp_path / "run.ckpt", weights_only=True)
    assert same_parameters(twin, run.model)
    assert isinstance(twin._make_optimizer([nn.Parameter(torch.zeros(1))]), SGD)
    if isinstance(twin, PINN):
        assert twin.problem == Burgers(0.1)


def test_burgers_pinn_logs_scope_and_n_even_where_they_are_defaults() -> None:
    assert BurgersPINN().hparams == {"viscosity": Burgers().viscosity, "scope": "layer", "n": 1.0}


def test_a_model_evaluated_once_can_be_saved_and_copied(tmp_path: Path) -> None:
    model = small_classifier()
    quiet_trainer().validate(model, Batches(image_batches()), verbose=False)
    keys = set(small_classifier().state_dict())
    assert set(model.state_dict()) == keys
    path = saved(model, tmp_path)
    assert same_parameters(ImageClassifier.load_from_checkpoint(path, weights_only=True, **from_python(model)), model)
