from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from laaf_lightning.activations import Scope, named_slopes
from laaf_lightning.modules import AdaptiveModule, BurgersPINN
from laaf_lightning.modules.optimization.optimizer import OptimizerFactory
from tests.modules.small import (
    SCOPES,
    Losses,
    burgers_data,
    image_batches,
    regression_data,
    small_classifier,
    small_pinn,
    small_regressor,
)
from tests.trainers import quiet_trainer

Job = tuple[Callable[..., AdaptiveModule], Callable[[], dict[str, Any]]]
JOBS: dict[str, Job] = {
    "regressor": (small_regressor, lambda: {"datamodule": regression_data()}),
    "pinn": (small_pinn, lambda: {"datamodule": burgers_data()}),
    "classifier": (
        small_classifier,
        lambda: {"train_dataloaders": image_batches(), "val_dataloaders": image_batches()},
    ),
}


def adam(lr: float) -> OptimizerFactory:
    return lambda parameters: torch.optim.Adam(parameters, lr=lr)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("job", JOBS)
def test_training_lowers_the_loss_and_moves_every_slope(job: str, scope: Scope) -> None:
    make, data = JOBS[job]
    model, losses = make(scope=scope, activation="tanh", optimizer=adam(5e-3)), Losses()
    quiet_trainer(max_steps=30, max_epochs=-1, callbacks=[losses]).fit(model, **data())
    assert sum(losses.seen[-3:]) < 0.9 * sum(losses.seen[:3])
    slopes = dict(named_slopes(model))
    assert len(slopes) == (0 if scope == "fixed" else 1 if job == "classifier" or scope == "global" else 2)
    for slope in slopes.values():
        assert bool((slope != 1).all())


@pytest.mark.parametrize("job", JOBS)
def test_metrics_in_the_progress_bar_are_the_loss_and_the_measures_of_validation(job: str) -> None:
    make, data = JOBS[job]
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(make(), **data())
    assert set(trainer.progress_bar_metrics) == {
        "train/loss",
        "val/accuracy" if job == "classifier" else "val/relative_l2",
    }


@pytest.mark.parametrize(
    ("log_every", "logged_at"),
    [(1, [1, 2, 3, 4, 5, 6]), (2, [1, 2, 3, 4, 6]), (4, [1, 3, 4, 6]), (50, [1, 3, 6]), (0, [])],
)
@pytest.mark.filterwarnings("ignore:The number of training batches:UserWarning")  # an interval of 50 is meant here
def test_training_values_are_logged_at_log_steps_at_the_first_and_at_the_last_of_an_epoch(
    log_every: int, logged_at: list[int]
) -> None:
    steps: list[int] = []

    class Recorder(BurgersPINN):
        def log_dict(self, *args: Any, **kwargs: Any) -> None:
            if "train/loss" in args[0]:
                steps.append(self.trainer.global_step + 1)
            super().log_dict(*args, **kwargs)

    trainer = quiet_trainer(max_epochs=2, log_every_n_steps=log_every, limit_val_batches=0)
    trainer.fit(Recorder(width=4, depth=1), datamodule=burgers_data(steps_per_epoch=3))
    assert steps == logged_at


def test_logged_loss_is_the_loss_of_the_last_step() -> None:
    model, losses = small_regressor(), Losses()
    trainer = quiet_trainer(max_epochs=1, callbacks=[losses])
    trainer.fit(model, datamodule=regression_data())
    assert trainer.callback_metrics["train/loss"].item() == pytest.approx(losses.seen[-1], rel=1e-6)


@pytest.mark.parametrize("job", JOBS)
def test_a_module_can_be_validated_tested_and_trained_again(job: str) -> None:
    make, data = JOBS[job]
    model = make()
    loaders = data()
    evaluation = loaders if "datamodule" in loaders else {"dataloaders": loaders["val_dataloaders"]}
    for _ in range(2):
        trainer = quiet_trainer(max_epochs=1)
        trainer.fit(model, **loaders)
        (validated,) = trainer.validate(model, **evaluation, verbose=False)
        (tested,) = trainer.test(model, **evaluation, verbose=False)
        assert [value for _, value in sorted(validated.items())] == [value for _, value in sorted(tested.items())]
