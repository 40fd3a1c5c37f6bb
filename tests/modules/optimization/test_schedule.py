"""A scheduler leaves the slopes' learning rate in its ratio to the weights'."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as torchs

from laaf_lightning import MLP, PINN, Burgers, CollocationDataModule
from laaf_lightning.modules.optimization.optimizer import build_optimizer
from laaf_lightning.modules.optimization.schedule import Schedule
from tests.trainers import quiet_trainer

SCHEDULERS: dict[str, Any] = {
    "one_cycle": partial(torchs.OneCycleLR, max_lr=1e-2, total_steps=20),
    "cyclic": partial(torchs.CyclicLR, base_lr=1e-3, max_lr=1e-2, step_size_up=3, cycle_momentum=False),
    "cosine": partial(torchs.CosineAnnealingLR, T_max=10, eta_min=1e-4),
    "restarts": partial(torchs.CosineAnnealingWarmRestarts, T_0=3, eta_min=1e-4),
    "plateau": partial(torchs.ReduceLROnPlateau, min_lr=1e-4, patience=0),
    "exponential": partial(torchs.ExponentialLR, gamma=0.9),
    "polynomial": partial(torchs.PolynomialLR, total_iters=10),
    "lambda": partial(torchs.LambdaLR, lr_lambda=lambda step: 1 / (1 + step)),
    "chained": lambda o: torchs.ChainedScheduler([torchs.ConstantLR(o), torchs.ExponentialLR(o, 0.9)]),
    "sequential": lambda o: torchs.SequentialLR(
        o, [torchs.LinearLR(o, 0.1, total_iters=5), torchs.CosineAnnealingLR(o, 10, eta_min=1e-4)], milestones=[5]
    ),
}


def rates(scheduler: Any, slope_lr: float | None, steps: int = 15) -> list[list[float]]:
    """The learning rates of weights and slopes, step by step."""
    optimizer = build_optimizer(MLP(1, 1, width=2, depth=1), partial(torch.optim.Adam, lr=1e-3), slope_lr)
    schedule = Schedule(scheduler, optimizer, slope_lr)
    seen = []
    for _ in range(steps):
        seen.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        with schedule.step():
            scheduler_step: Any = schedule.scheduler.step
            scheduler_step(*([1.0] if isinstance(schedule.scheduler, torchs.ReduceLROnPlateau) else []))
    return seen


@pytest.mark.filterwarnings("ignore:.*epoch parameter:UserWarning")
@pytest.mark.parametrize("slope_lr", [1e-5, 3e-2, 0.0])
@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS)
def test_the_ratio_holds_and_the_weights_rate_is_as_without_it(scheduler: Any, slope_lr: float) -> None:
    plain = rates(scheduler, None)
    for (weights, slopes), (expected, _) in zip(rates(scheduler, slope_lr), plain, strict=True):
        assert weights == expected
        assert slopes == pytest.approx(weights * slope_lr / 1e-3, rel=1e-9)


def test_without_a_rate_of_their_own_nothing_is_touched() -> None:
    assert all(weights == slopes for weights, slopes in rates(SCHEDULERS["one_cycle"], None))


@pytest.mark.parametrize("scheduler", [SCHEDULERS["one_cycle"], SCHEDULERS["cosine"]], ids=["one_cycle", "cosine"])
def test_a_run_keeps_the_ratio(scheduler: Any) -> None:
    problem = Burgers()
    factory = partial(torch.optim.Adam, lr=1e-3)
    model = PINN(problem, width=4, depth=1, optimizer=factory, slope_lr=1e-5, lr_scheduler=scheduler)
    trainer = quiet_trainer(max_steps=4, max_epochs=-1, limit_val_batches=0)
    trainer.fit(model, CollocationDataModule(problem, num_residual=10, num_condition=3))
    weights, slopes = (group["lr"] for group in trainer.optimizers[0].param_groups)
    assert slopes == pytest.approx(weights / 100)
