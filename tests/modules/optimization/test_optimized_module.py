from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.tuner.tuning import Tuner

from laaf_lightning import ConfigurationError, DiscontinuousFunctionDataModule, FunctionRegressor
from tests.trainers import quiet_trainer


@pytest.mark.parametrize("slope_lr", [None, 1e-6])
def test_lightnings_search_sets_a_rate_that_training_uses(
    slope_lr: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = FunctionRegressor(1, 1, width=8, depth=1, optimizer=partial(torch.optim.Adam, lr=123.0), slope_lr=slope_lr)
    data = DiscontinuousFunctionDataModule(num_points=20)
    trainer = quiet_trainer(max_steps=2, max_epochs=-1, limit_val_batches=0, default_root_dir=tmp_path)
    found = Tuner(trainer).lr_find(model, datamodule=data, num_training=30, max_lr=0.1)
    assert found is not None
    assert model.lr == found.suggestion()
    trainer.fit(model, data)
    assert [group["lr"] for group in trainer.optimizers[0].param_groups] == [model.lr, slope_lr or model.lr]


def test_a_rate_that_was_set_reaches_an_optimiser_of_one_group() -> None:
    model = FunctionRegressor(1, 1, width=2, depth=1, optimizer=torch.optim.LBFGS)
    model.lr = 0.25
    assert model.configure_optimizers().param_groups[0]["lr"] == 0.25


@pytest.mark.parametrize("argument", ["optimizer", "lr_scheduler"])
@pytest.mark.parametrize("value", ["adam", 3])
def test_what_makes_no_optimiser_is_refused_where_the_module_is_made(argument: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        FunctionRegressor(1, 1, width=2, depth=1, **{argument: value})
