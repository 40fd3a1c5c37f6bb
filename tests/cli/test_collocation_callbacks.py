from __future__ import annotations

import re

import pytest
import torch

from laaf_lightning.data import CollocationDataModule
from laaf_lightning.problems import Burgers
from tests.cli.command import CONFIGS, TINY, checkpoint_of, folder_of, laaf, refusal, scalars

BURGERS = (
    f"--config={CONFIGS / 'burgers_paper.yaml'}",
    "--model.width=4",
    "--model.depth=2",
    "--data.num_residual=20",
    "--data.steps_per_epoch=3",
    "--trainer.max_steps=6",
    "--trainer.limit_val_batches=0",
    "--trainer.log_every_n_steps=1",
)
ON = ("--resample_collocation.enabled=true", "--adaptive_loss_weights.enabled=true")
SETTINGS = (
    "--resample_collocation.every_n_steps=2",
    "--resample_collocation.method=rar",
    "--resample_collocation.num_added=5",
    "--adaptive_loss_weights.every_n_steps=3",
    "--adaptive_loss_weights.slope_recovery=true",
)


def test_both_work_under_keys_of_their_own_and_their_values_are_logged_and_saved() -> None:
    run = laaf("fit", *BURGERS, *ON, *SETTINGS)
    log = scalars(folder_of(run))
    assert log["collocation/points"] == {1: 25, 3: 30, 5: 35}
    assert log["collocation/max_residual"].keys() == log["collocation/mean_residual"].keys() == {1, 3, 5}
    weights = {name: values for name, values in log.items() if name.startswith("loss_weight/")}
    assert weights.keys() == {"loss_weight/residual", "loss_weight/data", "loss_weight/slope_recovery"}
    assert all(values.keys() == {0, 3} for values in weights.values())
    assert run.model.weight_data == pytest.approx(weights["loss_weight/data"][3], rel=1e-6)
    assert run.model.weight_data != 1
    state = torch.load(checkpoint_of(run), weights_only=True)
    assert torch.equal(state["laaf_lightning.ResampleCollocation"]["points"], run.datamodule.residual_points())
    assert state["laaf_lightning.AdaptiveLossWeights"]["weights"]["data"] == run.model.weight_data


@pytest.mark.long
def test_a_saved_configuration_repeats_the_run() -> None:
    run = laaf("fit", *BURGERS, *ON, *SETTINGS)
    again = laaf("fit", f"--config={folder_of(run) / 'config.yaml'}")
    assert torch.equal(again.datamodule.residual_points(), run.datamodule.residual_points())
    assert again.model.weight_data == run.model.weight_data


def test_both_are_off_unless_asked_for() -> None:
    run = laaf("fit", *BURGERS, "--resample_collocation.every_n_steps=1", "--adaptive_loss_weights.every_n_steps=1")
    assert (run.model.weight_residual, run.model.weight_data) == (1, 1)
    assert torch.equal(run.datamodule.residual_points(), CollocationDataModule(Burgers(), 20).residual_points())
    for key in ("resample_collocation", "adaptive_loss_weights"):
        assert run.config.fit[key].enabled is False


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((*BURGERS, "--resample_collocation.method=rat"), "'uniform', 'rad', 'rar'|uniform, rad, rar"),
        ((*BURGERS, "--resample_collocation.every_n_steps=0"), "every_n_steps=0 of ResampleCollocation must be >= 1"),
        ((*BURGERS, "--adaptive_loss_weights.momentum=1"), "momentum=1.0 of AdaptiveLossWeights must be >= 0 and < 1"),
        ((*TINY, ON[0]), "DiscontinuousFunctionDataModule has no .*resample_collocation.enabled false"),
        ((*TINY, ON[1]), "needs a method loss_terms.*adaptive_loss_weights.enabled false"),
    ],
)
def test_what_cannot_work_is_one_sentence_with_the_way_out(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str
) -> None:
    assert re.search(text, refusal(capsys, "fit", *arguments))
