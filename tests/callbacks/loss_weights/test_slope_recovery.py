from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

import laaf_lightning as laaf
from tests.callbacks.plain_training import (
    Batch,
    Batches,
    PlainModule,
    adapted,
    assert_equal_parameters,
    one_epoch_trainer,
    oracle_recovery,
    regression_batches,
    slopes_of,
)
from tests.callbacks.slope_recovery.test_logging import logged

BATCHES = regression_batches()


class Terms(PlainModule):
    """One term, of which the loss is a multiple."""

    weight_data = 1.0

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        return {"data": self.loss(batch)}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.weight_data * self.loss(batch)


def norm_of_recovery(module: Any) -> float:
    """‖∇S‖ for S = 1/mean(exp(mean a_k)) by pencil: each neuron's share is −S² exp(ā_k)/(K·N_k)."""
    slopes = [a.detach().numpy().ravel() for a in slopes_of(module)]
    recovery = 1 / np.mean([np.exp(a.mean()) for a in slopes])
    shares = [np.full(len(a), recovery**2 * np.exp(a.mean()) / len(slopes) / len(a)) for a in slopes]
    return float(np.linalg.norm(np.concatenate(shares)))


def norm_of_data(module: Any, batch: Batch) -> float:
    gradients = torch.autograd.grad(module.loss(batch), list(module.parameters()))
    return float(torch.cat([gradient.flatten() for gradient in gradients]).norm())


def plain_loop(module: Any, steps: int, every: int, scheduled: Any = lambda step: 0.5) -> list[tuple[float, float]]:
    """Train with weights by hand; return (weight_data, W_a) of each step."""
    optimizer, data, scale = module.configure_optimizers(), 1.0, 1.0
    weights = []
    for step, batch in enumerate(BATCHES[:steps]):
        if step % every == 0:
            norms = norm_of_data(module, batch), norm_of_recovery(module) if scheduled(step) else 0.0
            data = 0.9 * data + 0.1 * sum(norms) / norms[0]
            scale = 0.9 * scale + 0.1 * sum(norms) / norms[1] if scheduled(step) else scale
        weights.append((data, scale * scheduled(step)))
        optimizer.zero_grad()
        (data * module.loss(batch) + scale * scheduled(step) * oracle_recovery(module)).backward()
        optimizer.step()
    return weights


class Weights(Callback):
    """W_a and the module's weight in each step."""

    def __init__(self, recovery: laaf.SlopeRecovery) -> None:
        self.recovery = recovery
        self.seen: list[tuple[float, float]] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        assert self.recovery._recovery is not None
        self.seen.append((pl_module.weight_data, self.recovery._recovery.weight))


@pytest.mark.parametrize("scope", ["layer", "neuron"])
@pytest.mark.parametrize("balances_first", [True, False])
def test_s_is_one_more_term_whichever_callback_comes_first(scope: str, balances_first: bool) -> None:
    module = adapted(Terms(), scope)
    twin = copy.deepcopy(module)
    recovery, balance = laaf.SlopeRecovery(0.5), laaf.AdaptiveLossWeights(2, slope_recovery=True)
    seen = Weights(recovery)
    callbacks = (balance, recovery, seen) if balances_first else (recovery, balance, seen)
    one_epoch_trainer(*callbacks).fit(module, Batches(BATCHES))
    np.testing.assert_allclose(seen.seen, plain_loop(twin, 6, 2), rtol=1e-6)
    assert_equal_parameters(module, twin, rtol=1e-6)


def test_a_schedule_multiplies_the_balanced_weight_and_ends_the_term(tmp_path: Path) -> None:
    module = adapted(Terms())
    twin = copy.deepcopy(module)
    recovery = laaf.SlopeRecovery(laaf.OffAfter(0.5, steps=3))
    seen = Weights(recovery)
    balance = laaf.AdaptiveLossWeights(2, slope_recovery=True)
    one_epoch_trainer(recovery, balance, seen, logger=CSVLogger(tmp_path)).fit(module, Batches(BATCHES))
    expected = plain_loop(twin, 6, 2, lambda step: 0.5 * (step < 3))
    np.testing.assert_allclose(seen.seen, expected, rtol=1e-6)
    assert [w for _, w in expected[3:]] == [0, 0, 0]
    log = {step: row["loss_weight/slope_recovery"] for step, row in logged(tmp_path).items() if step % 2 == 0}
    assert log == pytest.approx({step: expected[step][1] for step in (0, 2, 4)}, rel=1e-6)


def test_without_the_setting_the_callbacks_weight_is_its_own() -> None:
    recovery = laaf.SlopeRecovery(0.5)
    seen = Weights(recovery)
    one_epoch_trainer(recovery, laaf.AdaptiveLossWeights(1), seen).fit(adapted(Terms()), Batches(BATCHES))
    assert [w for _, w in seen.seen] == [0.5] * 6


@pytest.mark.parametrize(("scope", "weight"), [("fixed", 0.5), ("layer", 0.0)])
def test_where_no_s_is_in_the_loss_the_other_terms_are_balanced(scope: str, weight: float) -> None:
    module = adapted(Terms(), scope)
    trainer = one_epoch_trainer(laaf.SlopeRecovery(weight), laaf.AdaptiveLossWeights(1, slope_recovery=True))
    trainer.fit(module, Batches(BATCHES))
    assert module.weight_data == 1
    assert "loss_weight/slope_recovery" not in trainer.callback_metrics


def test_the_next_fit_of_the_same_callback_starts_with_its_own_weight() -> None:
    recovery = laaf.SlopeRecovery(0.5)
    one_epoch_trainer(recovery, laaf.AdaptiveLossWeights(1, slope_recovery=True)).fit(
        adapted(Terms()), Batches(BATCHES)
    )
    seen = Weights(recovery)
    one_epoch_trainer(recovery, seen).fit(adapted(Terms()), Batches(BATCHES))
    assert [w for _, w in seen.seen] == [0.5] * 6


def test_going_on_with_the_same_trainer_goes_on_with_the_weights() -> None:
    def trained(*epochs: int) -> Any:
        module, recovery = adapted(Terms()), laaf.SlopeRecovery(0.5)
        seen = Weights(recovery)
        trainer = one_epoch_trainer(recovery, laaf.AdaptiveLossWeights(4, slope_recovery=True), seen)
        for epoch in epochs:
            trainer.fit_loop.max_epochs = epoch
            trainer.fit(module, Batches(BATCHES))
        return seen.seen

    # the second fit begins with a new optimiser, which the update at step 8 sees
    assert trained(1, 2)[:8] == trained(2)[:8]


def test_outside_a_fit_there_is_no_s_and_no_weight() -> None:
    recovery = laaf.SlopeRecovery(0.5)
    assert recovery.value_at(0) is None
    assert recovery.rescale(2.0, 0) == 0
