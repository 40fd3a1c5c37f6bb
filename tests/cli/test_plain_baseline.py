"""A user's module that is none of ours, trained by the same command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from laaf_lightning import (
    named_slopes,
)
from tests.cli.command import laaf

LOG_EVERY_STEP = "--trainer.log_every_n_steps=1"


BASELINE = """
import torch
from pytorch_lightning import LightningModule

class Baseline(LightningModule):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Sequential(torch.nn.Linear(1, width), torch.nn.ReLU(), torch.nn.Linear(width, 1))

    def training_step(self, batch, batch_idx):
        x, u = batch
        loss = torch.nn.functional.mse_loss(self.net(x), u)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("my_validation_loss", self.training_step(batch, batch_idx))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-2)
"""
BASELINE_CONFIG = """
model:
  class_path: users_baseline.Baseline
  init_args:
    width: 6
data:
  class_path: laaf_lightning.DiscontinuousFunctionDataModule
slope_recovery:
  weight: 0
trainer:
  max_steps: 100
  max_epochs: -1
"""


@pytest.fixture
def baseline(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (workplace / "modules").mkdir()
    (workplace / "modules" / "users_baseline.py").write_text(BASELINE)
    (workplace / "baseline.yaml").write_text(BASELINE_CONFIG)
    monkeypatch.syspath_prepend(workplace / "modules")
    return "--config=baseline.yaml"


def test_a_users_plain_baseline_trains_through_the_same_command(
    baseline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = laaf("fit", baseline)
    x, u = next(iter(run.datamodule.train_dataloader()))
    untrained = type(run.model)(width=6)
    losses = [float(torch.nn.functional.mse_loss(model.net(x), u).detach()) for model in (untrained, run.model)]
    assert run.trainer.global_step == 100
    assert losses[1] < 0.8 * losses[0]
    assert not list(named_slopes(run.model))
    assert capsys.readouterr().out.splitlines()[-1].startswith("my_validation_loss 0.")


@pytest.mark.filterwarnings("ignore:\\s*``instantiate_classes``")  # Lightning's own call, for a module that is not ours
def test_a_users_plain_baseline_takes_image_data_too(baseline: str) -> None:
    run = laaf("fit", baseline, "--data=laaf_lightning.SemeionDataModule", "--trainer.max_steps=0", LOG_EVERY_STEP)
    assert run.datamodule.num_classes == 10
    run.trainer.save_checkpoint("baseline.ckpt")
    rebuilt = type(run.model).load_from_checkpoint("baseline.ckpt", weights_only=True)
    assert rebuilt.net[0].out_features == 6
