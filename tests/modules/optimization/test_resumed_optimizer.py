"""A run that goes on from a checkpoint does what is asked for now, from the state of then."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LinearLR, MultiStepLR, ReduceLROnPlateau

from laaf_lightning import (
    DiscontinuousFunctionDataModule,
    FunctionRegressor,
    SelfScaledBroyden,
    SequentialOptimizer,
    SequentialScheduler,
)
from laaf_lightning.modules.optimization.resumed_optimizer import KEY
from tests.trainers import quiet_trainer

STEPS = 4


def fit(folder: Path, steps: int, resume: bool, frozen: bool = False, **settings: Any) -> FunctionRegressor:
    torch.manual_seed(0)
    model = FunctionRegressor(1, 1, width=4, depth=2, n=2, **{"optimizer": partial(Adam, lr=1e-2), **settings})
    if frozen:
        for name, parameter in model.named_parameters():
            if name.endswith(".a"):
                parameter.requires_grad_(False)
    data = DiscontinuousFunctionDataModule(num_points=10, steps_per_epoch=1)
    trainer = quiet_trainer(max_steps=steps, max_epochs=-1, limit_val_batches=0)
    trainer.fit(model, data, ckpt_path=folder / "then.ckpt" if resume else None, weights_only=True)
    trainer.save_checkpoint(folder / ("now.ckpt" if resume else "then.ckpt"))
    return model


def groups(model: FunctionRegressor) -> list[dict[str, Any]]:
    (optimizer,) = model.trainer.optimizers
    return optimizer.param_groups


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.message.startswith("Resumed")]


def test_what_is_asked_for_as_before_is_restored_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unbroken = fit(tmp_path, 2 * STEPS, resume=False)
    fit(tmp_path, STEPS, resume=False)
    with caplog.at_level(logging.INFO):
        resumed = fit(tmp_path, 2 * STEPS, resume=True)
    assert said(caplog) == []
    torch.testing.assert_close(resumed.state_dict(), unbroken.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("asked", "rates", "words"),
    [
        ({"optimizer": partial(Adam, lr=1e-5)}, [1e-5, 1e-5], "lr 1e-05 instead of 0.01"),
        ({"slope_lr": 1e-6}, [1e-2, 1e-6], "lr 1e-06 instead of 0.01"),
        ({"optimizer": partial(Adam, lr=1e-2, weight_decay=0.3)}, [1e-2, 1e-2], "weight_decay 0.3 instead of 0"),
        ({"optimizer": partial(Adam, lr=1e-2, betas=(0.5, 0.9))}, [1e-2, 1e-2], r"betas \[0.5, 0.9\] instead of \[0.9"),
        ({"optimizer": partial(AdamW, lr=1e-2)}, [1e-2, 1e-2], "weight_decay 0.01 instead of 0"),
    ],
    ids=["lr", "slope_lr", "weight_decay", "betas", "adamw"],
)  # fmt: skip
def test_what_is_asked_for_differently_holds_and_is_said(
    asked: dict[str, Any], rates: list[float], words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit(tmp_path, STEPS, resume=False)
    with caplog.at_level(logging.INFO):
        resumed = fit(tmp_path, STEPS + 1, resume=True, **asked)
    assert [group["lr"] for group in groups(resumed)] == rates
    (sentence,) = said(caplog)
    assert pytest.raises(AssertionError, match=words).matches(AssertionError(sentence))
    (optimizer,) = resumed.trainer.optimizers
    assert {int(state["step"]) for state in optimizer.state.values()} == {STEPS + 1}  # the moments went on
    if "weight_decay" in words:
        assert groups(resumed)[0]["weight_decay"] > 0
        assert groups(resumed)[1]["weight_decay"] == 0  # slopes still have none


@pytest.mark.parametrize(
    "asked",
    [partial(SGD, lr=1e-3, momentum=0.9), partial(LBFGS, lr=0.5), SelfScaledBroyden],
    ids=["sgd", "lbfgs", "ssb"],
)
def test_another_optimiser_starts_afresh_and_says_so(
    asked: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit(tmp_path, STEPS, resume=False)
    with caplog.at_level(logging.INFO):
        resumed = fit(tmp_path, STEPS + 2, resume=True, optimizer=asked)
    (sentence,) = said(caplog)
    kind = type(resumed.trainer.optimizers[0]).__name__
    assert sentence == (
        f"Resumed: the checkpoint's optimiser is Adam, and {kind} is asked for, so the optimiser starts afresh with "
        "the weights of the checkpoint."
    )
    assert resumed.trainer.global_step == STEPS + 2
    assert "exp_avg" not in next(iter(resumed.trainer.optimizers[0].state.values()))


@pytest.mark.parametrize("first", [True, False], ids=["frozen_then_trained", "trained_then_frozen"])
def test_slopes_that_are_frozen_or_freed_leave_the_weights_state_alone(first: bool, tmp_path: Path) -> None:
    fit(tmp_path, STEPS, resume=False, frozen=first)
    resumed = fit(tmp_path, STEPS + 1, resume=True, frozen=not first)
    (optimizer,) = resumed.trainer.optimizers
    for name, parameter in resumed.named_parameters():
        if name.endswith(".a") and not first:
            assert parameter not in optimizer.state
        else:
            assert int(optimizer.state[parameter]["step"]) == (1 if name.endswith(".a") else STEPS + 1)


def test_one_state_for_all_parameters_starts_afresh_where_they_differ(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit(tmp_path, STEPS, resume=False, optimizer=LBFGS)
    with caplog.at_level(logging.INFO):
        fit(tmp_path, STEPS + 1, resume=True, frozen=True, optimizer=LBFGS)
    assert "LBFGS was trained with other parameters, so the optimiser starts afresh" in said(caplog)[0]


def test_the_stages_of_a_sequence_take_what_is_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def sequence(lr: float) -> Any:
        return partial(SequentialOptimizer, optimizers=[partial(Adam, lr=lr), LBFGS], steps=[STEPS + 3])

    fit(tmp_path, STEPS, resume=False, optimizer=sequence(1e-2))
    with caplog.at_level(logging.INFO):
        resumed = fit(tmp_path, STEPS + 1, resume=True, optimizer=sequence(1e-4))
    assert [group["lr"] for group in groups(resumed)] == [1e-4, 1e-4]
    assert said(caplog) == ["Resumed with what is asked for now: lr 0.0001 instead of 0.01."]


def warm_up_then_cosine(optimizer: Any) -> Any:
    stages: list[Any] = [partial(LinearLR, start_factor=0.1, total_iters=2), partial(CosineAnnealingLR, T_max=10)]
    return SequentialScheduler(optimizer, stages, [2])


@pytest.mark.parametrize(
    "scheduler",
    [
        partial(ExponentialLR, gamma=0.5),
        partial(MultiStepLR, milestones=[2]),
        partial(ReduceLROnPlateau, patience=0, factor=0.5, threshold=10.0, threshold_mode="abs"),
        warm_up_then_cosine,
    ],
    ids=["exponential", "steps", "plateau", "sequential"],
)
def test_under_a_schedule_the_rate_goes_on_in_the_ratio_of_what_is_asked_for(scheduler: Any, tmp_path: Path) -> None:
    fit(tmp_path, STEPS, resume=False, lr_scheduler=scheduler)
    same = [group["lr"] for group in groups(fit(tmp_path, STEPS + 3, resume=True, lr_scheduler=scheduler))]
    unbroken = [group["lr"] for group in groups(fit(tmp_path, STEPS + 3, resume=False, lr_scheduler=scheduler))]
    if (
        not isinstance(scheduler, partial) or scheduler.func is not ReduceLROnPlateau
    ):  # Lightning resumes it an epoch late
        assert same == pytest.approx(unbroken)
    fit(tmp_path, STEPS, resume=False, lr_scheduler=scheduler)
    tenth = fit(tmp_path, STEPS + 3, resume=True, lr_scheduler=scheduler, optimizer=partial(Adam, lr=1e-3))
    assert [group["lr"] for group in groups(tenth)] == pytest.approx([rate / 10 for rate in same])


def test_a_schedule_that_is_told_otherwise_follows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fit(tmp_path, STEPS, resume=False, lr_scheduler=partial(ExponentialLR, gamma=0.5))
    with caplog.at_level(logging.INFO):
        resumed = fit(tmp_path, STEPS + 2, resume=True, lr_scheduler=partial(ExponentialLR, gamma=0.1))
    assert groups(resumed)[0]["lr"] == pytest.approx(1e-2 * 0.5**STEPS * 0.1**2)
    assert said(caplog) == ["Resumed with what ExponentialLR is asked for now: gamma 0.1 instead of 0.5."]


def test_a_checkpoint_without_notes_takes_what_is_asked_for_too(tmp_path: Path) -> None:
    fit(tmp_path, STEPS, resume=False, lr_scheduler=partial(ExponentialLR, gamma=0.5))
    content = torch.load(tmp_path / "then.ckpt", weights_only=True)
    assert content["optimizer_states"][0].pop(KEY)["kind"] == "torch.optim.adam.Adam"
    torch.save(content, tmp_path / "then.ckpt")
    settings: dict[str, Any] = {"lr_scheduler": partial(ExponentialLR, gamma=0.5), "optimizer": partial(Adam, lr=1e-3)}
    resumed = fit(tmp_path, STEPS + 1, resume=True, **settings)
    assert groups(resumed)[0]["lr"] == pytest.approx(1e-3 * 0.5 ** (STEPS + 1))


def test_a_plain_optimiser_reads_the_state() -> None:
    model = nn.Linear(2, 1)
    from laaf_lightning.modules.optimization.resumed_optimizer import follow_requests

    optimizer = Adam(model.parameters(), lr=0.1)
    follow_requests(model, optimizer)
    other = Adam(nn.Linear(2, 1).parameters())
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["lr"] == 0.1
