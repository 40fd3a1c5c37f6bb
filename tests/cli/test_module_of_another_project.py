"""A module that another project derives from the base, on the command line."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

from laaf_lightning.cli import main
from laaf_lightning.modules import AdaptiveModule
from tests.cli.command import checkpoint_of, laaf

SOURCE = '''
from torch import nn

import laaf_lightning as laaf


class Line(laaf.AdaptiveModule):
    """A line.

    Args:
        width: how wide.
        kwargs: as for the base.
    """

    def __init__(self, width: int = 8, **kwargs) -> None:
        super().__init__(**kwargs)
        self.width = width

    def build_network(self) -> nn.Module:
        return laaf.MLP(1, 1, width=self.width, depth=1)

    def loss(self, batch):
        return nn.functional.mse_loss(self(batch[0]), batch[1])
'''
DATA = ("--data=laaf_lightning.DiscontinuousFunctionDataModule", "--data.num_points=10")


@pytest.fixture(autouse=True)
def own_module(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "own_module.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(workplace)


def test_its_help_holds_its_own_arguments_and_those_of_the_base(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--model.help=own_module.Line"])
    text = " ".join(capsys.readouterr().out.split())
    for option, doc in {
        "width": "how wide. (type: int, default: 8)",
        "optimizer": "called with parameter groups, returns the optimiser.",
        "lr_scheduler": "called with the optimiser, returns a scheduler; None for a constant",
        "slope_lr": "learning rate of the slopes; None for the optimiser's.",
        "compile": "whether the network runs through ``torch.compile``.",
    }.items():
        assert f"--model.{option}" in text
        assert doc in text


def test_a_run_trains_it_with_its_settings_and_its_checkpoint_rebuilds_alone() -> None:
    settings = ("--model.width=3", "--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.1", *DATA)
    run = laaf("fit", "--model=own_module.Line", *settings, "--slope_recovery.weight=0", "--trainer.max_steps=2")
    assert isinstance(run.model, AdaptiveModule)
    assert next(run.model.network.parameters()).shape == (3, 1)
    assert isinstance(run.trainer.optimizers[0], torch.optim.SGD)
    assert run.trainer.optimizers[0].param_groups[0]["lr"] == 0.1
    kind = importlib.import_module("own_module").Line
    twin = kind.load_from_checkpoint(checkpoint_of(run), weights_only=True)
    assert all(torch.equal(one, other) for one, other in zip(twin.parameters(), run.model.parameters(), strict=True))
