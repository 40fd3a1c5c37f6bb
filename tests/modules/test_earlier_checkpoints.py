"""Checkpoints of earlier versions: `checkpoints/burgers_pinn_<commit>.ckpt`, after 6 steps with three callbacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import laaf_lightning as laaf
from tests.trainers import quiet_trainer

CHECKPOINTS = sorted((Path(__file__).parent / "checkpoints").glob("burgers_pinn_*.ckpt"))
DATA: dict[str, Any] = {"num_residual": 50, "num_initial": 8, "num_boundary": 8, "steps_per_epoch": 4}


@pytest.mark.parametrize("file", CHECKPOINTS, ids=lambda file: file.stem)
def test_it_loads_with_the_weights_that_it_holds(file: Path) -> None:
    state = torch.load(file, weights_only=True)["state_dict"]
    model = laaf.BurgersPINN.load_from_checkpoint(file)
    assert list(model.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("file", CHECKPOINTS, ids=lambda file: file.stem)
def test_a_run_goes_on_with_the_state_of_its_callbacks(file: Path) -> None:
    saved = torch.load(file, weights_only=True)
    recovery, weights = laaf.SlopeRecovery(), laaf.AdaptiveLossWeights(every_n_steps=3)
    resample = laaf.ResampleCollocation(every_n_steps=3, method="rad", until_step=6)
    model, data = laaf.BurgersPINN(width=4, depth=2, n=10), laaf.BurgersDataModule(**DATA)
    trainer = quiet_trainer(recovery, weights, resample, max_steps=8, max_epochs=-1, limit_val_batches=0)
    trainer.fit(model, datamodule=data, ckpt_path=file)
    assert trainer.global_step == 8
    assert recovery.assumption is not None
    assert vars(recovery.assumption) == saved["laaf_lightning.SlopeRecovery"]["assumption"]
    assert torch.equal(data.residual_points(), saved["laaf_lightning.ResampleCollocation"]["points"])
    assert model.weight_data.item() != 1.0
