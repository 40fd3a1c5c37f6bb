from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn

import laaf_lightning as laaf
from tests.callbacks.plain_training import Batches, one_epoch_trainer
from tests.callbacks.resampling.collocation_cases import SETTINGS, Line, fit_line, interval_data, small_pinn
from tests.callbacks.slope_recovery.test_logging import logged


class Linear(LightningModule):
    """Terms with constant gradients, times the batch: of norm 5, 2 and 0."""

    def __init__(self, optimizer: str = "sgd") -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.unused = nn.Parameter(torch.zeros(3, dtype=torch.float64))
        self.frozen = nn.Parameter(torch.ones((), dtype=torch.float64), requires_grad=False)
        self.weight_residual, self.weight_data, self.weight_none = 1.0, 1.0, 0.7
        self.optimizer = optimizer
        self.seen: list[tuple[float, float]] = []

    def loss_terms(self, batch: Tensor) -> dict[str, Tensor]:
        residual = (self.a * torch.tensor([3.0, 4.0])).sum() * batch * self.frozen
        return {"residual": residual, "data": 2 * self.a[1], "none": torch.zeros(())}

    def training_step(self, batch: Tensor) -> Tensor:
        self.seen.append((self.weight_residual, self.weight_data))
        terms = self.loss_terms(batch)
        return sum((getattr(self, f"weight_{name}") * term for name, term in terms.items()), torch.zeros(()))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.optimizer == "lbfgs":
            return torch.optim.LBFGS([self.a], lr=0.01, max_iter=3, tolerance_grad=0, tolerance_change=0)
        return torch.optim.SGD([self.a], lr=0.1)


def batches(*values: float) -> Batches:
    return Batches([torch.tensor(value, dtype=torch.float64) for value in values])


def fit(module: Any, callback: Callback, *values: float, **settings: Any) -> Any:
    trainer = one_epoch_trainer(callback, **settings)
    trainer.fit(module, batches(*values))
    return trainer


def moved(start: float, target: float, updates: int, momentum: float = 0.9) -> float:
    """The moving average towards a constant, in closed form."""
    return target + momentum**updates * (start - target)


def test_weights_move_at_the_first_and_every_kth_step_towards_the_ratio_of_norms() -> None:
    module = Linear()
    module.weight_data = 3.0
    fit(module, laaf.AdaptiveLossWeights(3), *[1.0] * 4, max_epochs=2)
    updates = [1, 1, 1, 2, 2, 2, 3, 3]
    expected = [(moved(1, 7 / 5, n), moved(3, 7 / 2, n)) for n in updates]
    np.testing.assert_allclose(module.seen, expected, rtol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.3])
def test_momentum_is_the_share_of_the_old_weight(momentum: float) -> None:
    module = Linear()
    fit(module, laaf.AdaptiveLossWeights(1, momentum), 1.0, 1.0)
    assert module.weight_data == pytest.approx(moved(1, 7 / 2, 2, momentum), rel=1e-12)


def test_gradients_are_those_of_the_batch_that_the_step_begins_with_also_when_accumulating() -> None:
    module = Linear()
    fit(module, laaf.AdaptiveLossWeights(1, momentum=0.0), 2.0, 5.0, 4.0, 6.0, accumulate_grad_batches=2)
    residual = [(5 * batch + 2) / (5 * batch) for batch in (2, 2, 4, 4)]
    data = [(5 * batch + 2) / 2 for batch in (2, 2, 4, 4)]
    np.testing.assert_allclose(module.seen, np.transpose([residual, data]), rtol=1e-12)


def test_weights_stay_through_the_closure_calls_of_lbfgs() -> None:
    module = Linear("lbfgs")
    fit(module, laaf.AdaptiveLossWeights(1, momentum=0.0), 1.0, 4.0)
    assert len(module.seen) == 6
    assert len(set(module.seen[:3])) == len(set(module.seen[3:])) == 1
    assert module.seen[0] != module.seen[3]


def test_a_term_without_gradient_keeps_its_weight_and_one_of_weight_zero_stays_off() -> None:
    module = Linear()
    module.weight_data = 0.0
    trainer = fit(module, laaf.AdaptiveLossWeights(1), 1.0)
    assert (module.weight_none, module.weight_data) == (0.7, 0.0)
    assert module.weight_residual == 1.0, "alone it is balanced"
    assert trainer.callback_metrics["loss_weight/data"] == 0


def test_training_equals_a_plain_loop_with_the_weights_computed_by_hand() -> None:
    module, data = Line(), interval_data()
    twin = copy.deepcopy(module)
    fit_line(laaf.AdaptiveLossWeights(2), data=data, module=module, steps=7)
    x, (_, values) = data.residual_points().flatten().numpy(), data.condition_points()
    a, b, weights = twin.a.item(), twin.b.item(), np.ones(2)
    for step in range(7):
        misfit = a + 2 * b - values.mean().item()
        gradients = np.array([[2 * a * np.mean(x**2), 0.0], [2 * misfit, 4 * misfit]])
        if step % 2 == 0:
            norms = np.linalg.norm(gradients, axis=1)
            weights = 0.9 * weights + 0.1 * norms.sum() / norms
        a, b = np.array([a, b]) - 0.1 * weights @ gradients
    np.testing.assert_allclose([module.weight_residual, module.weight_data], weights, rtol=1e-10)
    np.testing.assert_allclose([module.a.item(), module.b.item()], [a, b], rtol=1e-10)


def test_norms_of_a_pinns_terms_are_those_of_finite_differences_by_the_network() -> None:
    module, data = small_pinn().double(), interval_data()
    twin = copy.deepcopy(module)
    (batch, *_) = data.train_dataloader()
    batch = batch._replace(**{name: getattr(batch, name).double() for name in batch._fields[:3]})
    norms = []
    for name in ("residual", "data"):
        squares = 0.0
        for parameter in twin.network.parameters():
            for number in parameter.data.view(-1).split(1):
                kept, values = number.clone(), []
                for shift in (1e-6, -1e-6):
                    number.copy_(kept + shift)
                    values.append(twin.loss_terms(batch)[name].item())
                number.copy_(kept)
                squares += ((values[0] - values[1]) / 2e-6) ** 2
        norms.append(np.sqrt(squares))
    callback = laaf.AdaptiveLossWeights(momentum=0.0)
    one_epoch_trainer(callback, **SETTINGS, max_steps=1).fit(module, datamodule=data)
    expected = sum(norms) / np.array(norms)
    np.testing.assert_allclose([module.weight_residual, module.weight_data], expected, rtol=1e-6)


def test_terms_may_share_a_forward_pass() -> None:
    class Shared(Linear):
        def loss_terms(self, batch: Tensor) -> dict[str, Tensor]:
            u = self.a.exp()  # whose graph one backward pass uses up
            return {"residual": 3 * u[0], "data": 4 * u[1]}

    module = Shared()
    fit(module, laaf.AdaptiveLossWeights(momentum=0.0), 1.0)
    assert (module.weight_residual, module.weight_data) == pytest.approx((7 / 3, 7 / 4), rel=1e-12)


class Mixed(Linear):
    """Has a network beside an unknown coefficient, and terms that training mode makes random."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(1, 1, bias=False).double(), nn.Dropout(), nn.BatchNorm1d(1).double())
        self.coefficient = nn.Parameter(torch.ones((), dtype=torch.float64))

    def loss_terms(self, batch: Tensor) -> dict[str, Tensor]:
        self.network(torch.rand(4, 1, dtype=torch.float64))
        weight = self.network.get_parameter("0.weight").sum()
        return {"residual": 3 * weight + 100 * self.coefficient, "data": 4 * weight + self.a.sum()}


def test_only_the_networks_parameters_count_and_measuring_leaves_no_trace() -> None:
    class Tells(Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            self.random = torch.get_rng_state()
            self.tracked = int(pl_module.network[2].num_batches_tracked)
            self.gradients = [parameter.grad for parameter in pl_module.parameters()]

    module, after = Mixed(), Tells()
    torch.manual_seed(4)
    before = torch.get_rng_state()
    one_epoch_trainer(laaf.AdaptiveLossWeights(momentum=0.0), after).fit(module, batches(1.0))
    assert (module.weight_residual, module.weight_data) == pytest.approx((7 / 3, 7 / 4), rel=1e-12)
    assert torch.equal(after.random, before)
    assert after.tracked == 0
    assert after.gradients == [None] * len(after.gradients)


def test_logs_the_weights_at_updates_alone(tmp_path: Path) -> None:
    module = Linear()
    trainer = fit(module, laaf.AdaptiveLossWeights(2), *[1.0] * 4, logger=CSVLogger(tmp_path))
    log = logged(tmp_path)
    assert list(log) == [0, 2]
    for updates, row in enumerate(log.values(), start=1):
        assert row == pytest.approx(
            {
                "loss_weight/residual": moved(1, 7 / 5, updates),
                "loss_weight/data": moved(1, 7 / 2, updates),
                "loss_weight/none": 0.7,
            }
        )
    assert trainer.callback_metrics["loss_weight/data"] == pytest.approx(module.weight_data)


def test_weights_stay_after_the_fit_and_are_where_the_next_one_starts() -> None:
    module, callback = Linear(), laaf.AdaptiveLossWeights(10)
    for fits in (1, 2):
        fit(module, callback, 1.0, 1.0)
        assert module.weight_data == pytest.approx(moved(1, 7 / 2, fits), rel=1e-12)


def test_switched_off_it_needs_and_does_nothing() -> None:
    module = Linear()
    fit(module, laaf.AdaptiveLossWeights(enabled=False), 1.0, 1.0)
    assert module.seen == [(1.0, 1.0)] * 2


@pytest.mark.long
@pytest.mark.slow
def test_compiled_terms_are_balanced_as_eager_ones() -> None:
    weights = []
    for compiled in (False, True):
        module = small_pinn(compile=compiled)
        trainer = one_epoch_trainer(laaf.AdaptiveLossWeights(1), **SETTINGS, max_steps=2)
        trainer.fit(module, datamodule=interval_data())
        weights.append([module.weight_residual, module.weight_data])
    np.testing.assert_allclose(weights[1], weights[0], rtol=1e-9)
