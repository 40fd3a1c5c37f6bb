"""Coefficients of inverse problems in a PINN."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.optim import SGD

from laaf_lightning.activations import named_slopes, slope_parameter_groups
from laaf_lightning.data import CollocationDataModule
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import InverseBurgers
from tests.solutions.equations import pinn_of, points_of
from tests.trainers import quiet_trainer

PROBLEM = InverseBurgers(0.1, first_guess=0.4, num_measurements=20)


def data_of(problem: InverseBurgers, **settings: Any) -> CollocationDataModule:
    return CollocationDataModule(problem, 30, **{"steps_per_epoch": 3, **settings})


class Coefficients(Callback):
    """The coefficient before each step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        assert isinstance(pl_module, PINN)
        self.seen.append(pl_module.coefficients["viscosity"].item())


def test_coefficients_are_parameters_that_start_at_the_first_guess() -> None:
    model = PINN(PROBLEM, width=4, depth=1)
    coefficient = dict(model.named_parameters())["coefficients.viscosity"]
    assert isinstance(coefficient, nn.Parameter)
    assert coefficient.shape == ()
    assert coefficient.item() == pytest.approx(0.4)
    assert model.state_dict()["coefficients.viscosity"].item() == pytest.approx(0.4)


def test_coefficients_are_no_slopes_and_learn_at_the_optimisers_own_rate() -> None:
    model = PINN(PROBLEM, width=4, depth=1)
    assert not any("coefficients" in name for name, _ in named_slopes(model))
    rest, slopes = slope_parameter_groups(model)
    assert any(parameter is model.coefficients["viscosity"] for parameter in rest["params"])
    assert not any(parameter is model.coefficients["viscosity"] for parameter in slopes["params"])


@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_gradient_of_the_coefficient_is_that_of_finite_differences(engine: Any) -> None:
    model, batch, h = pinn_of(PROBLEM, engine=engine), points_of(PROBLEM), 1e-5
    coefficient = model.coefficients["viscosity"]
    (gradient,) = torch.autograd.grad(model.loss(batch), coefficient)

    def loss_at(value: float) -> float:
        with torch.no_grad():
            coefficient.fill_(value)
            return model.loss(batch).item()

    assert gradient.item() == pytest.approx((loss_at(0.4 + h) - loss_at(0.4 - h)) / (2 * h), rel=1e-6)


# Of the three steps in an epoch the validation sees the last; logged during training is what a step began with.
def test_the_coefficient_and_its_error_are_logged() -> None:
    seen = Coefficients()
    model = PINN(PROBLEM, width=4, depth=1, optimizer=partial(SGD, lr=0.1))
    trainer = quiet_trainer(max_epochs=1, callbacks=[seen])
    trainer.fit(model, datamodule=data_of(PROBLEM))
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    assert len(set(seen.seen)) == 3
    assert logged["coefficient/viscosity"] == pytest.approx(seen.seen[-1], rel=1e-6)
    learnt = model.coefficients["viscosity"].item()
    assert logged["val/viscosity_error"] == pytest.approx(abs(learnt - 0.1) / 0.1, rel=1e-5)
    (tested,) = trainer.test(model, datamodule=data_of(PROBLEM), verbose=False)
    assert tested["test/viscosity_error"] == pytest.approx(abs(learnt - 0.1) / 0.1, rel=1e-5)


@pytest.mark.parametrize("other", [{"viscosity": 0.2}, {"noise": 0.5}, {"seed": 1}])
def test_data_of_another_true_value_or_another_measurement_are_refused(other: dict[str, Any]) -> None:
    model = PINN(PROBLEM, width=4, depth=1)
    theirs = InverseBurgers(**{"viscosity": 0.1, "first_guess": 0.4, "num_measurements": 20, **other})
    with pytest.raises(ConfigurationError, match=r"the model solves InverseBurgers\(viscosity=0.1, .*give both"):
        quiet_trainer(max_steps=1).fit(model, datamodule=data_of(theirs))


def test_a_checkpoint_holds_what_was_learnt(tmp_path: Path) -> None:
    model = PINN(PROBLEM, width=4, depth=1, optimizer=partial(SGD, lr=0.1))
    trainer = quiet_trainer(max_steps=2, limit_val_batches=0)
    trainer.fit(model, datamodule=data_of(PROBLEM))
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    twin = PINN.load_from_checkpoint(tmp_path / "model.ckpt", problem=PROBLEM, weights_only=True)
    assert twin.coefficients["viscosity"].item() == model.coefficients["viscosity"].item() != pytest.approx(0.4)
