from __future__ import annotations

import copy
import math
import types
from collections.abc import Callable
from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from torch import Tensor, nn

import laaf_lightning as laaf
from tests.callbacks.plain_training import (
    Batch,
    Batches,
    Objective,
    PlainModule,
    Regression,
    adapted,
    assert_equal_parameters,
    network,
    one_epoch_trainer,
    oracle_recovery,
    plain_loop,
    regression_batches,
    slopes_of,
)

BATCHES = regression_batches()


class AsDict(PlainModule):
    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        return {"loss": self.loss(batch), "batch_idx": batch_idx}


class AsMapping(PlainModule):
    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        return types.MappingProxyType({"loss": self.loss(batch), "batch_idx": batch_idx})


class SkipsEveryThird(PlainModule):
    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        return None if batch_idx % 3 == 1 else self.loss(batch)


def with_term(module: nn.Module, weight: float = 0.7) -> Objective:
    return lambda loss, step: loss + weight * oracle_recovery(module)


def fit(module: Any, callback: laaf.SlopeRecovery, batches: list[Batch] = BATCHES, **settings: Any) -> None:
    before = [slope.detach().clone() for slope in slopes_of(module)]
    one_epoch_trainer(callback, **settings).fit(module, Batches(batches))
    assert not any(torch.equal(old, new) for old, new in zip(before, slopes_of(module), strict=True))


@pytest.mark.parametrize("module_class", [PlainModule, AsDict, AsMapping])
def test_training_equals_a_plain_loop_for_every_kind_of_output(module_class: Callable[[], PlainModule]) -> None:
    module = adapted(module_class())
    twin = copy.deepcopy(module)
    fit(module, laaf.SlopeRecovery(0.7))
    plain_loop(twin, BATCHES, with_term(twin))
    assert_equal_parameters(module, twin)


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`:UserWarning")  # meant here
def test_batches_without_a_loss_are_skipped_and_count_as_steps_of_the_schedule() -> None:
    module = adapted(SkipsEveryThird())
    twin = copy.deepcopy(module)
    fit(module, laaf.SlopeRecovery(laaf.LinearDecay(2.0, steps=8)))
    kept = [None if step % 3 == 1 else batch for step, batch in enumerate(BATCHES)]
    plain_loop(twin, kept, lambda loss, step: loss + 2.0 * (1 - step / 8) * oracle_recovery(twin))
    assert_equal_parameters(module, twin)


def test_other_entries_of_an_output_reach_later_hooks_and_the_loss_there_holds_the_term() -> None:
    seen: list[dict[str, Any]] = []

    class Spy(pytorch_lightning.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            seen.append(outputs)

    module = adapted(AsDict())
    with torch.no_grad():
        expected = module.loss(BATCHES[0]) + 0.7 * oracle_recovery(module)
    one_epoch_trainer(laaf.SlopeRecovery(0.7), Spy()).fit(module, Batches(BATCHES))
    assert [outputs["batch_idx"] for outputs in seen] == list(range(len(BATCHES)))
    torch.testing.assert_close(seen[0]["loss"], expected)


@pytest.mark.parametrize("scope", ["global", "layer", "neuron"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("operator", ["exp", "identity", "softplus"])
def test_training_equals_a_plain_loop_for_every_form_of_the_term(operator: Any, reduction: Any, scope: str) -> None:
    module = adapted(PlainModule(), scope)
    twin = copy.deepcopy(module)
    fit(module, laaf.SlopeRecovery(0.7, operator, reduction))
    plain_loop(twin, BATCHES, lambda loss, step: loss + 0.7 * oracle_recovery(twin, operator, reduction))
    assert_equal_parameters(module, twin)


def test_a_callable_operator_is_used() -> None:
    module = adapted(PlainModule())
    twin = copy.deepcopy(module)
    fit(module, laaf.SlopeRecovery(0.7, lambda a: a**2 + 0.5))

    def objective(loss: Tensor, step: int) -> Tensor:
        return loss + 0.7 / torch.stack([a**2 + 0.5 for a in slopes_of(twin)]).mean()

    plain_loop(twin, BATCHES, objective)
    assert_equal_parameters(module, twin)


@pytest.mark.parametrize(
    ("schedule", "formula"),
    [
        (laaf.OffAfter(0.7, steps=3), lambda step: 0.7 if step < 3 else 0.0),
        (laaf.LinearDecay(0.7, steps=4), lambda step: 0.7 * max(0, 1 - step / 4)),
        (laaf.CosineDecay(0.7, steps=4), lambda step: 0.7 * math.cos(math.pi * step / 8) ** 2 if step < 4 else 0.0),
    ],
    ids=["off", "linear", "cosine"],
)
def test_training_equals_a_plain_loop_with_a_scheduled_weight(
    schedule: laaf.WeightSchedule, formula: Callable[[int], float]
) -> None:
    module = adapted(PlainModule())
    twin = copy.deepcopy(module)
    fit(module, laaf.SlopeRecovery(schedule))
    plain_loop(twin, BATCHES, lambda loss, step: loss + formula(step) * oracle_recovery(twin))
    assert_equal_parameters(module, twin)


def test_accumulated_batches_equal_one_big_batch_also_for_the_schedule() -> None:
    module = adapted(PlainModule())
    twin = copy.deepcopy(module)
    fit(module, laaf.SlopeRecovery(laaf.OffAfter(0.7, steps=2)), accumulate_grad_batches=2)
    big = [
        (torch.cat([x, more_x]), torch.cat([y, more_y]))
        for (x, y), (more_x, more_y) in zip(BATCHES[::2], BATCHES[1::2], strict=True)
    ]
    plain_loop(twin, big, lambda loss, step: loss + (0.7 if step < 2 else 0.0) * oracle_recovery(twin))
    assert_equal_parameters(module, twin)


@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_gradients_are_clipped_with_the_term_in_them(algorithm: str) -> None:
    module = adapted(PlainModule())
    twin = copy.deepcopy(module)
    fit(module, laaf.SlopeRecovery(0.7), gradient_clip_val=0.05, gradient_clip_algorithm=algorithm)
    clip = nn.utils.clip_grad_norm_ if algorithm == "norm" else nn.utils.clip_grad_value_
    plain_loop(twin, BATCHES, with_term(twin), after_backward=lambda: clip(list(twin.parameters()), 0.05))
    assert_equal_parameters(module, twin)


def test_training_in_mixed_precision_equals_a_plain_loop_and_keeps_the_term_in_float32() -> None:
    batches = [(x.float(), y.float()) for x, y in BATCHES]
    module = adapted(PlainModule().float())
    twin = copy.deepcopy(module)
    fit(module, laaf.SlopeRecovery(0.7), batches, precision="bf16-mixed")

    def objective(loss: Tensor, step: int) -> Tensor:
        recovery = oracle_recovery(twin)
        assert recovery.dtype == torch.float32
        return loss + 0.7 * recovery

    plain_loop(twin, batches, objective, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    assert_equal_parameters(module, twin, rtol=1e-6)


def test_the_line_search_of_lbfgs_sees_the_term() -> None:
    module = adapted(PlainModule())
    module.optimizer = "lbfgs"
    twin = copy.deepcopy(module)
    fit(module, laaf.SlopeRecovery(0.7))
    plain_loop(twin, BATCHES, with_term(twin))
    assert_equal_parameters(module, twin, rtol=1e-8)


# It can validate, and has nothing to validate on here.
@pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`:UserWarning")
def test_a_module_of_the_package_trains_as_a_foreign_one_does() -> None:
    torch.manual_seed(0)
    module = laaf.FunctionRegressor(2, 1, width=5, depth=3, scope="neuron", n=5).double()
    twin = copy.deepcopy(module)
    fit(module, laaf.SlopeRecovery(0.7, reduction="sum"))
    optimizer = torch.optim.Adam(twin.parameters())
    for x, y in BATCHES:
        optimizer.zero_grad()
        (nn.functional.mse_loss(twin(x), y) + 0.7 * oracle_recovery(twin, reduction="sum")).backward()
        optimizer.step()
    assert_equal_parameters(module, twin)


@pytest.mark.parametrize("namespace", [pytorch_lightning, lightning.pytorch], ids=lambda namespace: namespace.__name__)
def test_either_trainer_fits_its_own_module_with_the_callback(namespace: Any) -> None:
    class Module(Regression, namespace.LightningModule):  # type: ignore[misc]  # the base is a parameter
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

    module = adapted(Module())
    twin = copy.deepcopy(module)
    fit(module, laaf.SlopeRecovery(0.7), namespace=namespace)
    plain_loop(twin, BATCHES, with_term(twin))
    assert_equal_parameters(module, twin)


@pytest.mark.slow
def test_a_compiled_module_trains_as_a_plain_loop_and_gets_its_compiled_step_back() -> None:
    module = adapted(PlainModule())
    twin = copy.deepcopy(module)
    compiled = torch.compile(module, backend="aot_eager")
    fit(compiled, laaf.SlopeRecovery(0.7))
    plain_loop(twin, BATCHES, with_term(twin))
    assert_equal_parameters(module, twin)
    assert module._compiler_ctx is not None
    assert not isinstance(module.__dict__["training_step"], types.MethodType), "not torch's function, but our method"


@pytest.mark.parametrize("scope", ["layer", "fixed"])
def test_without_weight_or_slopes_training_is_bit_equal_to_no_callback(scope: str) -> None:
    module = adapted(PlainModule(), scope)
    twin = copy.deepcopy(module)
    steps: list[object] = []

    class Spy(pytorch_lightning.Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            steps.append(pl_module.__dict__.get("training_step"))

    one_epoch_trainer(laaf.SlopeRecovery(0 if scope == "layer" else 1.0), Spy()).fit(module, Batches(BATCHES))
    one_epoch_trainer().fit(twin, Batches(BATCHES))
    assert steps == [None]
    for one, other in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)
