"""What is not finite and does no harm."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pytorch_lightning.plugins import MixedPrecision
from torch import Tensor, nn

import laaf_lightning as laaf
from tests.callbacks.finite_guard import cases
from tests.callbacks.finite_guard.cases import BATCHES, fit, with_nan_from
from tests.callbacks.plain_training import Batch, Batches, PlainModule, one_epoch_trainer


class Masked(PlainModule):
    """Targets that are NaN are left out."""

    lr = 0.02

    def loss(self, batch: Batch) -> Tensor:
        x, y = batch
        known = y.isfinite()
        return nn.functional.mse_loss(self(x)[known], y[known])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


def test_targets_that_are_masked_are_no_harm_and_are_not_blamed_later(reading: str) -> None:
    assert fit(Masked(), with_nan_from(0)).global_step == 12
    diverging = Masked()
    diverging.lr = 1e300
    with pytest.raises(laaf.NonFiniteError, match="the loss went first"):
        fit(diverging, with_nan_from(0))


def test_a_gradient_that_is_clipped_is_no_harm(reading: str) -> None:
    class Clipped(cases.RootOfZero):
        def on_after_backward(self) -> None:
            self.net[2].weight.grad.nan_to_num_(0.0)  # type: ignore[index]

    class Skipped(cases.RootOfZero):
        def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
            optimizer_closure()
            if all(p.grad is None or bool(p.grad.isfinite().all()) for p in self.parameters()):
                optimizer.step(closure=lambda: None)

    assert fit(Clipped(), BATCHES).global_step == 12
    assert all(bool(p.isfinite().all()) for p in Clipped().parameters())
    fit(Skipped(), BATCHES)


def test_buffers_frozen_masks_and_whole_numbers_may_be_what_they_are() -> None:
    class WithMask(cases.WithBuffer):
        def __init__(self) -> None:
            super().__init__()
            self.frozen = nn.Parameter(torch.tensor([-math.inf]), requires_grad=False)
            self.none = nn.Parameter(torch.zeros(0))

    assert fit(WithMask(), [(x, y) for x, y in BATCHES]).global_step == 12


class Scaled(PlainModule):
    def __init__(self) -> None:
        super().__init__()
        self.float()

    def loss(self, batch: Batch) -> Tensor:
        x, y = batch
        return super().loss((x.float(), y.float()))


def scaler() -> dict[str, Any]:
    return {"plugins": [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))]}


def test_what_a_gradient_scaler_passes_over_is_no_harm() -> None:
    trainer = fit(Scaled(), with_nan_from(3, until=6), **scaler())
    assert trainer.global_step == 12
    assert all(bool(p.isfinite().all()) for p in trainer.lightning_module.parameters())


def test_under_a_scaler_a_loss_that_stays_nan_ends_the_run() -> None:
    with pytest.raises(laaf.NonFiniteError, match=r"at step 1 .* the data went first: batch\[0\]"):
        fit(Scaled(), with_nan_from(1, part=0), **scaler())


def test_mixed_precision_without_a_scaler_is_guarded() -> None:
    with pytest.raises(laaf.NonFiniteError, match="at step 3"):
        fit(Scaled(), with_nan_from(3), precision="bf16-mixed")


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_line_search_may_try_what_is_not_finite(by_hand: bool, reading: str) -> None:
    seen: list[float] = []

    class Walled(PlainModule):
        """Not a number beyond a wall that the first step length reaches."""

        start: float

        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = not by_hand

        def loss(self, batch: Batch) -> Tensor:
            excess = sum(float((p.detach() ** 2).sum()) for p in self.parameters()) / self.start - 1.02
            value = super().loss(batch) + (0.0 if excess < 0 else math.nan)
            seen.append(float(value.detach()))
            return value

        def training_step(self, batch: Batch, batch_idx: int) -> Any:
            if not by_hand:
                return super().training_step(batch, batch_idx)
            optimizer: Any = self.optimizers()

            def closure() -> Tensor:
                optimizer.zero_grad()
                loss = self.loss(batch)
                self.manual_backward(loss)
                return loss

            optimizer.step(closure=closure)
            return None

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return laaf.SelfScaledBroyden(self.parameters(), lr=20.0, max_iter=2)

    module = Walled()
    module.start = sum(float((p.detach() ** 2).sum()) for p in module.parameters())
    fit(module, [BATCHES[0]] * 3)
    assert any(math.isnan(value) for value in seen)
    assert all(bool(p.isfinite().all()) for p in module.parameters())


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")  # which Lightning says once a process
def test_steps_without_a_loss_and_dicts_pass() -> None:
    class Sometimes(PlainModule):
        def training_step(self, batch: Batch, batch_idx: int) -> Any:
            return None if batch_idx % 2 else {"loss": self.loss(batch), "seen": batch}

    assert fit(Sometimes(), BATCHES).global_step == len(BATCHES)


def test_nothing_is_watched_where_it_is_switched_off() -> None:
    assert fit(cases.module(), with_nan_from(0), guard=laaf.FiniteGuard(enabled=False)).global_step == 12


def test_training_is_the_same_with_and_without() -> None:
    modules = [cases.module(), cases.module()]
    fit(modules[0], BATCHES, guard=laaf.FiniteGuard(check_every_n_steps=2, rollback=1))
    fit(modules[1], BATCHES, guard=laaf.FiniteGuard(enabled=False))
    for a, b in zip(modules[0].parameters(), modules[1].parameters(), strict=True):
        assert torch.equal(a, b)


def test_nan_in_validation_alone_ends_nothing() -> None:
    class NoNumber(PlainModule):
        def validation_step(self, batch: Batch, batch_idx: int) -> None:
            self.log("val", torch.tensor(math.nan))

    trainer = one_epoch_trainer(laaf.FiniteGuard())
    trainer.fit(NoNumber(), Batches(BATCHES), Batches(BATCHES[:1]))
    assert trainer.global_step == 12


@pytest.mark.parametrize(
    "setting",
    [
        {"check_every_n_steps": 0},
        {"check_every_n_steps": True},
        {"rollback": -1},
        {"snapshot_every_n_steps": 0},
        {"lr_factor": 0.0},
        {"lr_factor": 1.5},
        {"lr_factor": math.nan},
    ],
    ids=repr,
)
def test_a_setting_outside_its_range_is_refused(setting: dict[str, Any]) -> None:
    name, value = next(iter(setting.items()))
    with pytest.raises(laaf.ConfigurationError, match=f"{name}={value} of FiniteGuard must be"):
        laaf.FiniteGuard(**setting)


def test_two_guards_are_refused() -> None:
    with pytest.raises(laaf.ConfigurationError, match=r"several FiniteGuard .*--finite_guard\.check_every_n_steps"):
        fit(cases.module(), BATCHES, laaf.FiniteGuard())
