from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

import laaf_lightning as laaf
from tests.callbacks.finite_guard import cases
from tests.callbacks.finite_guard.cases import BATCHES, At, fit, with_nan_from
from tests.callbacks.plain_training import Batches, one_epoch_trainer


def finite_files(folder: Path) -> list[str]:
    """The checkpoints of a folder, each of them finite in all its weights and moments."""
    for file in folder.glob("*.ckpt"):
        saved = torch.load(file, weights_only=True)
        assert all(bool(value.isfinite().all()) for value in saved["state_dict"].values())
        for state in saved.get("optimizer_states", []):
            for moments in state["state"].values():
                assert all(bool(torch.as_tensor(value).isfinite().all()) for value in moments.values())
    return sorted(file.stem for file in folder.glob("*.ckpt"))


@pytest.mark.parametrize("act", [cases.set_weight, cases.set_variance, cases.set_momentum])
@pytest.mark.parametrize("settings", [{}, {"save_weights_only": True}], ids=repr)
def test_the_last_finite_checkpoint_stays_and_is_named(
    act: Any, settings: dict[str, Any], tmp_path: Path, reading: str
) -> None:
    saves = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1, **settings)
    with pytest.raises(laaf.NonFiniteError) as error:
        fit(cases.module(), BATCHES, At(6, act), saves, enable_checkpointing=True)
    assert finite_files(tmp_path) == ["step=5"]
    assert f"the last finite checkpoint is {tmp_path / 'step=5.ckpt'} (go on from it by" in str(error.value)
    assert str(error.value).endswith("--ckpt_path)")


def test_a_checkpoint_by_hand_is_refused(tmp_path: Path) -> None:
    def act(module: Any, trainer: Any) -> None:
        cases.set_weight(module, trainer)
        trainer.save_checkpoint(tmp_path / "a.ckpt")

    with pytest.raises(laaf.NonFiniteError, match="no checkpoint was saved before"):
        fit(cases.module(), BATCHES, At(6, act))
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("kind", ["data", "weight"])
def test_what_is_saved_at_the_end_by_an_error_is_finite_or_not_saved(kind: str, tmp_path: Path) -> None:
    saves = ModelCheckpoint(tmp_path, filename="{step}", save_on_exception=True)
    act = [At(6, cases.set_weight)] if kind == "weight" else []
    with pytest.raises(laaf.NonFiniteError, match=f"a?e? ?{kind} went first"):
        fit(cases.module(), BATCHES if act else with_nan_from(6), *act, saves, enable_checkpointing=True)
    assert finite_files(tmp_path) == ([] if kind == "weight" else ["step=6"])


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")  # the callback that saved is not there
def test_a_run_goes_on_from_the_last_finite_checkpoint(tmp_path: Path) -> None:
    saves = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1)
    with pytest.raises(laaf.NonFiniteError):
        fit(cases.module(), with_nan_from(6), saves, enable_checkpointing=True)
    trainer = one_epoch_trainer(laaf.FiniteGuard(), max_epochs=2)
    trainer.fit(cases.module(), Batches(BATCHES), ckpt_path=tmp_path / "step=6.ckpt", weights_only=True)
    assert trainer.global_step > 12


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")  # the callback that saved is not there
def test_a_checkpoint_that_is_not_finite_is_refused_at_the_start(tmp_path: Path) -> None:
    saves = ModelCheckpoint(tmp_path, filename="{step}")
    fit(cases.module(), BATCHES, saves, enable_checkpointing=True)
    (file,) = tmp_path.iterdir()
    saved = torch.load(file, weights_only=True)
    saved["state_dict"]["net.2.weight"][0, 0] = torch.nan
    torch.save(saved, file)
    trainer = one_epoch_trainer(laaf.FiniteGuard(), max_epochs=2)
    with pytest.raises(laaf.NonFiniteError, match=r"at step 12 .* net\.2\.weight is not finite when the fit began"):
        trainer.fit(cases.module(), Batches(BATCHES), ckpt_path=file, weights_only=True)
