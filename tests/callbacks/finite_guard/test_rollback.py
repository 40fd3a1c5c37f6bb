from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

import laaf_lightning as laaf
from laaf_lightning.callbacks.finite_guard.snapshot import scale_learning_rates
from tests.callbacks.finite_guard import cases
from tests.callbacks.finite_guard.cases import BATCHES, At, fit, with_nan_from
from tests.callbacks.plain_training import Batches, PlainModule, one_epoch_trainer


def guard(rollback: int, **settings: Any) -> laaf.FiniteGuard:
    return laaf.FiniteGuard(check_every_n_steps=2, rollback=rollback, **settings)


def states_of(module: torch.nn.Module, at: dict[Any, Any]) -> At:
    keep = At(0, lambda *_: None)
    keep.on_train_batch_end = lambda trainer, *_: at.update(  # type: ignore[method-assign]
        {trainer.global_step: {name: value.clone() for name, value in module.state_dict().items()}}
    )
    return keep


def test_the_run_goes_back_with_smaller_learning_rates_and_says_so(
    reading: str, caplog: pytest.LogCaptureFixture
) -> None:
    module, kept = cases.module(), guard(rollback=2, lr_factor=0.25)
    with caplog.at_level(logging.INFO):
        trainer = fit(module, with_nan_from(5, until=6), guard=kept)
    assert trainer.global_step == 12
    assert kept.returns == 1
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.02 * 0.25)
    said = [record.getMessage() for record in caplog.records if "FiniteGuard" in record.getMessage()]
    assert len(said) == 1
    assert "at step 5 (counted from 0) the data went first: batch[1]" in said[0]
    assert "back to the state after 4 steps, with all learning rates times 0.25 (return 1 of 2)" in said[0]


def test_the_state_is_the_one_that_was_finite(reading: str) -> None:
    module = cases.module()
    states: dict[Any, Any] = {}
    moments: dict[str, Any] = {}

    class Watched(At):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            if trainer.global_step == 6:
                state = trainer.optimizers[0].state[pl_module.net[0].weight]
                moments["step"], moments["finite"] = state["step"].item(), bool(state["exp_avg"].isfinite().all())
                states["after"] = {name: value.clone() for name, value in pl_module.state_dict().items()}

    fit(module, with_nan_from(5, until=6), states_of(module, states), Watched(-1, print), guard=guard(1))
    assert moments == {"step": 4, "finite": True}
    for name, value in states["after"].items():
        assert torch.equal(value, states[4][name])


def test_after_n_returns_the_run_ends() -> None:
    with pytest.raises(laaf.NonFiniteError, match=r"stopped after 2 returns to an earlier state: at step 7 .*data"):
        fit(cases.module(), with_nan_from(5), guard=guard(rollback=2))


def test_a_run_of_nan_from_the_start_does_not_end_well_for_being_short() -> None:
    with pytest.raises(laaf.NonFiniteError, match=r"at step 0 .* the data went first"):
        fit(cases.module(), with_nan_from(0)[:1], guard=laaf.FiniteGuard(rollback=5, check_every_n_steps=50))


def test_states_are_kept_as_often_as_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        fit(cases.module(), with_nan_from(7, until=8), guard=guard(rollback=1, snapshot_every_n_steps=4))
    assert "back to the state after 4 steps" in caplog.text


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")  # the callback that saved is not there
def test_the_number_of_returns_survives_a_resume(tmp_path: Path) -> None:
    saves, first = ModelCheckpoint(tmp_path), guard(rollback=2)
    fit(cases.module(), with_nan_from(5, until=6), saves, guard=first, enable_checkpointing=True)
    (file,) = tmp_path.iterdir()
    again = guard(rollback=2)
    trainer = one_epoch_trainer(again, max_epochs=2)
    trainer.fit(cases.module(), Batches(BATCHES), ckpt_path=file, weights_only=True)
    assert again.returns == 1
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01)


class Scheduled(laaf.FunctionRegressor):
    """Ours, whose schedule holds what it was told, with slopes at a rate of their own."""

    lr_scheduler_interval = "step"

    def __init__(self) -> None:
        def schedule(optimizer: Any) -> Any:
            return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))

        super().__init__(2, 1, width=4, depth=2, lr_scheduler=schedule, slope_lr=0.5)
        self.double()


class PlainScheduled(PlainModule):
    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`")
@pytest.mark.parametrize("make", [Scheduled, PlainScheduled])
def test_schedules_and_the_slopes_keep_their_ratio(make: Any) -> None:
    rates = []
    for batches in (BATCHES, with_nan_from(5, until=6)):
        trainer = fit(make(), batches, guard=guard(rollback=1))
        rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])
    assert rates[1] == pytest.approx([rate / 2 for rate in rates[0]])


def test_a_sequence_of_optimisers_goes_back_in_all_its_stages() -> None:
    class Sequence(PlainModule):
        def configure_optimizers(self) -> torch.optim.Optimizer:
            stages: list[Any] = [torch.optim.Adam, torch.optim.SGD]
            return laaf.SequentialOptimizer(self.parameters(), stages, steps=[20])

    trainer = fit(Sequence(), with_nan_from(5, until=6), guard=guard(rollback=1))
    first, second = trainer.optimizers[0].stages
    assert (first.param_groups[0]["lr"], second.param_groups[0]["lr"]) == (5e-4, 5e-4)


def test_floors_of_schedules_become_smaller_too() -> None:
    module = PlainModule()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10, eta_min=0.01)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, min_lr=0.02)
    configs = [SimpleNamespace(scheduler=each) for each in (cosine, plateau)]
    trainer: Any = SimpleNamespace(optimizers=[optimizer], lr_scheduler_configs=configs)
    scale_learning_rates(trainer, module, 0.5)
    assert (cosine.eta_min, plateau.min_lrs, cosine.base_lrs) == (0.005, [0.01], [0.05])
