from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import laaf_lightning as laaf
from tests.callbacks.finite_guard import cases
from tests.callbacks.finite_guard.cases import BATCHES, At, fit, with_nan_from
from tests.callbacks.plain_training import Batch, PlainModule, adapted

RUNS: dict[str, Any] = {
    "data": (cases.module, with_nan_from(3), None, 3, "data", "batch[1]"),
    "inputs, once": (cases.module, with_nan_from(3, part=0, until=4), None, 3, "data", "batch[0]"),
    "from the start": (cases.module, with_nan_from(0), None, 0, "data", "batch[1]"),
    "learning rate": (lambda: adapted(cases.HugeSteps()), BATCHES, None, 1, "loss", None),
    "gradient": (lambda: adapted(cases.RootOfZero()), BATCHES, None, 4, "gradient", "net.2.weight"),
    "weight": (cases.module, BATCHES, At(5, cases.set_weight), 5, "weight", "net.2.weight"),
    "slope": (cases.module, BATCHES, At(5, cases.set_slope), 5, "slope", "net.3"),
    "the last step": (cases.module, BATCHES, At(12, cases.set_weight), 12, "weight", "net.2.weight"),
    "variance": (cases.module, BATCHES, At(12, cases.set_variance), 12, "optimizer", "exp_avg_sq of net.2.weight"),
    "buffer": (cases.WithBuffer, BATCHES, At(12, cases.set_buffer), 12, "buffer", "average"),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_ends_with_what_went_first_and_when(name: str, reading: str) -> None:
    make, batches, callback, step, first, part = RUNS[name]
    with pytest.raises(laaf.NonFiniteError, match=rf"at step {step} \(counted from 0\) ") as error:
        fit(make(), batches, *([] if callback is None else [callback]))
    assert (error.value.step, error.value.first, error.value.name) == (step, first, part)
    assert part is None or part in str(error.value)
    assert "; " in str(error.value)
    assert "\n" not in str(error.value)


def test_a_slope_that_overflows_is_shown_with_its_value() -> None:
    with pytest.raises(laaf.NonFiniteError, match=r"a slope went first: n·a = inf in layer net\.3 .*slope_lr"):
        fit(cases.module(), BATCHES, At(5, cases.set_slope))


def test_momentum_that_is_nan_is_found_before_it_is_forgotten_what_poisoned_the_weights() -> None:
    with pytest.raises(laaf.NonFiniteError, match=r"the optimiser's state went first: exp_avg of net\.2\.weight"):
        fit(cases.module(), BATCHES, At(5, cases.set_momentum))


def test_the_largest_weight_is_named_where_the_loss_went_first() -> None:
    with pytest.raises(laaf.NonFiniteError, match=r"it was inf, .* the largest weight [\d.]+e\+300 in net\.4\.bias"):
        fit(cases.HugeSteps(), BATCHES)


@pytest.mark.parametrize("every", [1, 3, 4])
def test_the_run_stops_within_k_steps(every: int, reading: str) -> None:
    taken: list[int] = []
    count = At(-1, lambda *_: None)
    count.on_train_batch_end = lambda trainer, *_: taken.append(trainer.global_step)  # type: ignore[method-assign]
    with pytest.raises(laaf.NonFiniteError):
        fit(cases.module(), with_nan_from(4), count, guard=laaf.FiniteGuard(check_every_n_steps=every))
    assert taken[-1] <= 4 + every


def test_slope_recovery_leaves_the_word_to_the_guard(reading: str) -> None:
    with pytest.raises(laaf.NonFiniteError, match=r"the data went first: batch\[1\]"):
        fit(cases.module(), with_nan_from(3), laaf.SlopeRecovery(1.0), log_every_n_steps=1)


def test_without_a_guard_slope_recovery_does_not_blame_the_slopes() -> None:
    with pytest.raises(
        laaf.ConfigurationError, match=r"as all weights are once the data.*add the callback FiniteGuard"
    ):
        fit(cases.module(), with_nan_from(3), laaf.SlopeRecovery(1.0), guard=laaf.FiniteGuard(enabled=False))


def test_weights_that_are_not_finite_at_the_start_are_refused() -> None:
    module = cases.module()
    cases.set_weight_before(module)
    with pytest.raises(laaf.NonFiniteError, match=r"net\.2\.weight is not finite when the fit began"):
        fit(module, BATCHES)


@dataclass
class Sample:
    x: Tensor
    more: dict[str, Any]


def test_a_field_deep_in_a_batch_is_named() -> None:
    class Nested(PlainModule):
        def loss(self, batch: Any) -> Tensor:
            return super().loss((batch.x, batch.more["targets"][0]))

    batches = [Sample(x, {"targets": [y], "id": torch.arange(8), "kind": "train"}) for x, y in with_nan_from(2)]
    with pytest.raises(laaf.NonFiniteError, match=r"batch\.more\['targets'\]\[0\] holds NaN"):
        fit(Nested(), batches)


def test_a_batch_within_an_accumulated_step_is_found() -> None:
    with pytest.raises(laaf.NonFiniteError, match="the data went first") as error:
        fit(cases.module(), with_nan_from(5), accumulate_grad_batches=3)
    assert error.value.step == 1


@pytest.mark.parametrize(
    "optimizer", [laaf.SelfScaledBroyden, torch.optim.LBFGS, partial(torch.optim.LBFGS, line_search_fn="strong_wolfe")]
)
@pytest.mark.parametrize("kind", ["data", "gradient"])
def test_a_line_search_that_begins_with_nan_says_what_it_is(optimizer: Any, kind: str) -> None:
    class Searching(cases.RootOfZero if kind == "gradient" else PlainModule):  # type: ignore[misc]
        def configure_optimizers(self) -> torch.optim.Optimizer:
            made: torch.optim.Optimizer = optimizer(self.parameters(), max_iter=2)
            return made

    batches = [BATCHES[0]] * 4 + (with_nan_from(0)[:1] if kind == "data" else [BATCHES[0]])
    with pytest.raises(laaf.NonFiniteError) as error:
        fit(Searching(), batches)
    assert (error.value.step, error.value.first) == (4, kind)


class ByHand(PlainModule):
    def __init__(self, *, returns: bool) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.returns = returns

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        optimizer: Any = self.optimizers()
        loss = nn.functional.mse_loss(self(batch[0]), batch[1]) * (math.nan if self.trainer.global_step >= 7 else 1)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return {"loss": loss} if self.returns else None


@pytest.mark.parametrize("returns", [True, False])
@pytest.mark.parametrize(("start", "first"), [(3, "data"), (99, "loss")])
def test_a_module_that_optimises_by_hand_is_guarded(returns: bool, start: int, first: str) -> None:
    with pytest.raises(laaf.NonFiniteError) as error:
        fit(ByHand(returns=returns), with_nan_from(start), guard=laaf.FiniteGuard(check_every_n_steps=4))
    assert (error.value.step, error.value.first) == (min(start, 7), first)
