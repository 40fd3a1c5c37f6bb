from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    OneCycleLR,
    SequentialLR,
)

import laaf_lightning as laaf
from tests.callbacks.adapt_activations.foreign import Batch, Perceptron, loader
from tests.matrices_only import MATRICES_ONLY, MatricesOnly
from tests.trainers import quiet_trainer

Configure = Callable[[Any], Any]
Factory = Callable[..., Optimizer]


class Configured(Perceptron):
    def __init__(self, configure: Configure, automatic: bool = True) -> None:
        super().__init__()
        self.configure = configure
        self.automatic_optimization = automatic

    def configure_optimizers(self) -> Any:
        return self.configure(self)


class Rates(pl.Callback):
    """Learning rates with which steps were taken."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        self.hook = trainer.optimizers[0].register_step_post_hook(self.note)

    def note(self, optimizer: Any, *_: Any) -> None:
        self.seen.append([float(group["lr"]) for group in optimizer.param_groups])
        self.hook.remove()


def fit(module: pl.LightningModule, slope_lr: float | None = None, **settings: Any) -> tuple[pl.Trainer, Rates]:
    torch.manual_seed(0)
    rates = Rates()
    trainer = quiet_trainer(laaf.AdaptActivations("layer", slope_lr=slope_lr), rates, max_epochs=4, **settings)
    trainer.fit(module, loader())
    return trainer, rates


def is_slope(parameter: Any, module: nn.Module) -> bool:
    return any(parameter is p for name, p in module.named_parameters() if name.rpartition(".")[2] == "a")


def test_slopes_have_a_group_without_decay_and_the_weights_keep_theirs() -> None:
    module = Perceptron(schedule=False)
    trainer, _ = fit(module)
    (optimizer,) = trainer.optimizers
    decays = [
        (group["weight_decay"], {is_slope(p, module) for p in group["params"]}) for group in optimizer.param_groups
    ]
    assert decays == [(0.5, {False}), (0.0, {True})]


def test_every_group_of_weights_is_split_and_keeps_its_settings() -> None:
    def configure(module: Any) -> Any:
        slow = [p for name, p in module.named_parameters() if not name.startswith("adaptive_calls")]
        fast = [*module.adaptive_calls.parameters()] if hasattr(module, "adaptive_calls") else []
        return SGD(
            [{"params": slow, "lr": 0.1, "momentum": 0.5}, {"params": fast, "lr": 0.3}], lr=1.0, weight_decay=0.2
        )

    trainer, _ = fit(Configured(configure))
    settings = [
        (g["lr"], g["momentum"], g["weight_decay"], len(g["params"])) for g in trainer.optimizers[0].param_groups
    ]
    assert settings == [(0.1, 0.5, 0.2, 6), (0.1, 0.5, 0.0, 1), (0.3, 0, 0.0, 2)]


SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "none": lambda o: None,
    "exponential": lambda o: ExponentialLR(o, 0.9),
    "cosine": lambda o: CosineAnnealingLR(o, 15, eta_min=1e-3),
    "one cycle": lambda o: OneCycleLR(o, 0.1, total_steps=30),
    "cyclic": lambda o: CyclicLR(o, 0.01, 0.1, step_size_up=3, cycle_momentum=False),
    "warmup from 0": lambda o: LambdaLR(o, lambda step: min(1.0, step / 10)),
    "two in a row": lambda o: SequentialLR(o, [LinearLR(o, 0.1), CosineAnnealingLR(o, 9)], [5]),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_under_any_schedule_slopes_keep_the_ratio_and_weights_their_rate(schedule: str) -> None:
    def configure(module: Any) -> Any:
        optimizer = SGD(module.parameters(), lr=0.02)
        made = SCHEDULES[schedule](optimizer)
        scheduled = {"scheduler": made, "interval": "step"}
        return optimizer if made is None else {"optimizer": optimizer, "lr_scheduler": scheduled}

    _, rates = fit(Configured(configure), slope_lr=0.1)
    _, alone = fit(Configured(configure))
    assert len(rates.seen) == 20
    assert [weights for weights, _ in rates.seen] == [weights for weights, _ in alone.seen]
    assert [slopes for _, slopes in rates.seen] == pytest.approx([5 * weights for weights, _ in rates.seen])
    assert [slopes for _, slopes in alone.seen] == [weights for weights, _ in alone.seen]


def test_a_schedule_of_plateaus_keeps_the_ratio() -> None:
    class Watched(Perceptron):
        def training_step(self, batch: Batch, batch_idx: int) -> Any:
            self.log("loss", 1.0)
            return self.loss(batch)

        def configure_optimizers(self) -> Any:
            optimizer = SGD(self.parameters(), lr=0.02)
            schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=0.01)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "loss"}}

    _, rates = fit(Watched(), slope_lr=0.1)
    assert rates.seen[0] == pytest.approx([0.02, 0.1])
    assert rates.seen[-1] == pytest.approx([0.01, 0.05])


def test_one_group_only_is_trained_and_refuses_a_rate_of_its_own() -> None:
    module = Configured(lambda m: torch.optim.LBFGS(m.parameters(), max_iter=3))
    trainer, _ = fit(module)
    assert len(trainer.optimizers[0].param_groups) == 1
    assert all(slope.item() != 1 for _, slope in laaf.named_slopes(module))
    with pytest.raises(laaf.ConfigurationError, match=r"slope_lr=0.1 needs an optimiser with parameter groups.*LBFGS"):
        fit(Configured(lambda m: torch.optim.LBFGS(m.parameters())), slope_lr=0.1)


def test_a_list_of_a_scheduler_that_has_no_rate_for_slopes_is_named() -> None:
    def listed(module: Any, decay: float = 0.0) -> Any:
        optimizer = AdamW(module.parameters(), 0.01, weight_decay=decay)
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, [lambda epoch: 0.5**epoch])]

    trainer, _ = fit(Configured(listed))
    assert len(trainer.optimizers[0].param_groups) == 1
    with pytest.raises(laaf.ConfigurationError, match=r"Expected 2 lr_lambdas.*slope_lr null\), or give its scheduler"):
        fit(Configured(listed), slope_lr=0.1)
    with pytest.raises(laaf.ConfigurationError, match=r"to spare them \(Expected 2.*a number in place of a list"):
        fit(Configured(lambda module: listed(module, 0.1)))


def test_slopes_that_the_module_leaves_out_are_added() -> None:
    module = Configured(lambda m: AdamW([p for name, p in m.named_parameters() if name.endswith("weight")]))
    trainer, rates = fit(module, slope_lr=0.1)
    (weights, slopes) = trainer.optimizers[0].param_groups
    assert (len(weights["params"]), len(slopes["params"]), slopes["weight_decay"]) == (3, 3, 0.0)
    assert rates.seen[-1] == pytest.approx([1e-3, 0.1])
    assert all(slope.item() != 1 for _, slope in laaf.named_slopes(module))


def test_slopes_that_would_never_be_trained_are_refused() -> None:
    def weights(module: Any) -> Any:
        return [p for name, p in module.named_parameters() if name.endswith("weight")]

    def scheduled(module: Any) -> Any:
        optimizer = Adam(weights(module))
        return [optimizer], [ExponentialLR(optimizer, 0.9)]

    for configure in (
        scheduled,
        lambda m: torch.optim.LBFGS(weights(m)),
        lambda m: MatricesOnly(weights(m)),
    ):
        with pytest.raises(
            laaf.ConfigurationError, match=r"no optimiser of Configured holds the slopes activation\.a,"
        ):
            fit(Configured(configure))


@pytest.mark.parametrize("matrices_only", MATRICES_ONLY)
def test_two_optimisers_by_hand_hold_the_slopes_or_are_refused(matrices_only: Factory) -> None:
    class ByHand(Configured):
        def training_step(self, batch: Batch, batch_idx: int) -> None:
            self.manual_backward(self.loss(batch))
            for optimizer in self.optimizers():  # type: ignore[union-attr]
                optimizer.step()
                optimizer.zero_grad()

    def matrices_and_rest(module: Any) -> Any:
        matrices = [p for p in module.parameters() if p.ndim == 2]
        return matrices_only(matrices), AdamW([p for p in module.parameters() if p.ndim != 2], weight_decay=0.5)

    module = ByHand(matrices_and_rest, automatic=False)
    trainer, _ = fit(module, slope_lr=0.1)
    assert [(g["lr"], g["weight_decay"], len(g["params"])) for g in trainer.optimizers[1].param_groups] == [
        (1e-3, 0.5, 3),
        (0.1, 0.0, 3),
    ]
    assert all(slope.item() != 1 for _, slope in laaf.named_slopes(module))

    def parts(module: Any) -> Any:
        return [SGD(part.parameters(), lr=0.1) for part in (module.first, module.last)]

    with pytest.raises(laaf.ConfigurationError, match="would never be trained: let its configure_optimizers pass"):
        fit(ByHand(parts, automatic=False))


@pytest.mark.parametrize("matrices_only", MATRICES_ONLY)
def test_an_optimiser_that_refuses_slopes_is_named_with_a_way_out(matrices_only: Factory) -> None:
    def configure(module: Any) -> Any:
        return matrices_only([p for p in module.parameters() if p.ndim != 1])

    with pytest.raises(
        laaf.ConfigurationError, match=r"the optimiser of Configured refuses slopes: (Muon only supports|matrices only)"
    ):
        fit(Configured(configure))


def test_errors_of_the_module_itself_are_its_own() -> None:
    def configure(module: Any) -> Any:
        raise ValueError("my own")

    with pytest.raises(ValueError, match="my own"):
        fit(Configured(configure))
    assert torch.optim.Optimizer.add_param_group.__qualname__ == "Optimizer.add_param_group"


def test_decay_that_cannot_be_taken_off_is_refused() -> None:
    class OneGroup(SGD):
        def __init__(self, parameters: Any, weight_decay: float) -> None:
            super().__init__(parameters, lr=0.1, weight_decay=weight_decay)
            if len(self.param_groups) > 1:
                raise ValueError("one group, please")

    with pytest.raises(
        laaf.ConfigurationError, match=r"weight_decay=0.5 of OneGroup would pull the slopes of Configured"
    ):
        fit(Configured(lambda m: OneGroup(m.parameters(), 0.5)))


@pytest.mark.parametrize("options", [{"fused": True}, {"foreach": True}, {"amsgrad": True}])
def test_fused_and_foreach_steps_train_slopes(options: Any) -> None:
    module = Configured(lambda m: Adam(m.named_parameters(), lr=0.01, **options))
    fit(module, slope_lr=0.1)
    assert all(slope.item() != 1 for _, slope in laaf.named_slopes(module))
