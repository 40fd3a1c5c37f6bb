from __future__ import annotations

import copy
import pickle
import signal
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import LearningRateFinder
from pytorch_lightning.tuner.tuning import Tuner
from torch import Tensor
from torch.optim import Optimizer

import laaf_lightning as laaf
from tests.callbacks.plain_training import (
    Batch,
    Batches,
    PlainModule,
    adapted,
    assert_equal_parameters,
    one_epoch_trainer,
    oracle_recovery,
    plain_loop,
    regression_batches,
)

BATCHES = regression_batches()


class Probe(Callback):
    """Call a function with the module at the end of a batch."""

    def __init__(self, at: int, action: Callable[[Any], object]) -> None:
        self.at = at
        self.action = action

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == self.at:
            self.action(pl_module)


class Failing(PlainModule):
    error: type[BaseException] = RuntimeError

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        if batch_idx == 2:
            raise self.error("the step failed")
        return self.loss(batch)


class Tunable(PlainModule):
    def __init__(self) -> None:
        super().__init__()
        self.lr = 1e-3

    def configure_optimizers(self) -> Optimizer:
        return torch.optim.Adam(self.net.parameters(), lr=self.lr)


def own_step(module: Any, batch: Batch, batch_idx: int) -> Tensor:
    """A step on the instance, with another loss than the class's."""
    return 3 * module.loss(batch)  # type: ignore[no-any-return]


def with_own_step(module: PlainModule) -> PlainModule:
    module.__dict__["training_step"] = types.MethodType(own_step, module)
    return module


def traces(module: Any) -> list[str]:
    """What an instance's dictionary says of a step or of us."""
    return [name for name in vars(module) if "training_step" in name or "laaf" in name]


@pytest.fixture
def keeps_interrupt_handler() -> Iterator[None]:
    """Lightning switches the handler off after a KeyboardInterrupt."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def test_the_step_is_the_classs_own_again_after_fit() -> None:
    module = adapted(PlainModule())
    seen: list[list[str]] = []

    class SeesTheEnd(Callback):
        def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
            seen.append(traces(pl_module))

    probe = Probe(1, lambda fitted: seen.append(traces(fitted)))
    one_epoch_trainer(laaf.SlopeRecovery(), probe, SeesTheEnd()).fit(module, Batches(BATCHES))
    assert seen == [["training_step"], []]
    assert traces(module) == []
    assert module.training_step == types.MethodType(PlainModule.training_step, module)


def test_an_instances_own_step_trains_with_the_term_and_is_there_again_after_fit() -> None:
    module = with_own_step(adapted(PlainModule()))
    step = module.__dict__["training_step"]
    twin = adapted(PlainModule())
    one_epoch_trainer(laaf.SlopeRecovery(0.7)).fit(module, Batches(BATCHES))
    plain_loop(twin, BATCHES, lambda loss, step: 3 * loss + 0.7 * oracle_recovery(twin))
    assert_equal_parameters(module, twin)
    assert module.__dict__["training_step"] is step
    assert traces(module) == ["training_step"]


def test_the_step_is_restored_after_an_exception() -> None:
    module = adapted(Failing())
    with pytest.raises(RuntimeError, match="the step failed"):
        one_epoch_trainer(laaf.SlopeRecovery()).fit(module, Batches(BATCHES))
    assert traces(module) == []


@pytest.mark.usefixtures("keeps_interrupt_handler")
def test_the_step_is_restored_after_a_keyboard_interrupt() -> None:
    module = adapted(Failing())
    module.error = KeyboardInterrupt
    with pytest.raises(SystemExit):
        one_epoch_trainer(laaf.SlopeRecovery()).fit(module, Batches(BATCHES))
    assert traces(module) == []


def test_a_refused_fit_leaves_the_step_alone() -> None:
    module = adapted(PlainModule())
    with pytest.raises(laaf.ConfigurationError):
        one_epoch_trainer(laaf.SlopeRecovery(), laaf.SlopeRecovery(2.0)).fit(module, Batches(BATCHES))
    assert traces(module) == []


def test_the_step_is_restored_after_the_tuner_and_the_fit_that_follows_has_the_term_once(tmp_path: Path) -> None:
    module = adapted(Tunable())
    twin = copy.deepcopy(module)
    trainer = one_epoch_trainer(laaf.SlopeRecovery(0.7), default_root_dir=tmp_path)
    Tuner(trainer).lr_find(module, Batches(BATCHES), num_training=5, update_attr=False)
    assert traces(module) == []
    trainer.fit(module, Batches(BATCHES))
    plain_loop(twin, BATCHES, lambda loss, step: loss + 0.7 * oracle_recovery(twin))
    assert_equal_parameters(module, twin)


def finder_after_us(folder: Path, finder: LearningRateFinder) -> Any:
    """The Trainer puts finders first when it is made, and leaves one that comes later where it is."""
    trainer: Any = one_epoch_trainer(laaf.SlopeRecovery(0.7), default_root_dir=folder)
    trainer.callbacks.append(finder)
    return trainer


def test_the_step_is_restored_where_a_finder_ends_the_fit_after_its_search(tmp_path: Path) -> None:
    module = adapted(Tunable())
    finder = LearningRateFinder(num_training_steps=5, update_attr=False)
    finder._early_exit = True  # as the tuner sets it; of all hooks only teardown follows
    trainer = finder_after_us(tmp_path, finder)
    trainer.fit(module, Batches(BATCHES))
    assert trainer.global_step == 0
    assert traces(module) == []


@pytest.mark.parametrize("finder_first", [True, False])
def test_a_finder_callback_before_or_after_leaves_the_term_in_once(tmp_path: Path, finder_first: bool) -> None:
    module = adapted(Tunable())
    twin = copy.deepcopy(module)
    finder = LearningRateFinder(num_training_steps=5, update_attr=False)
    if finder_first:
        trainer: Any = one_epoch_trainer(laaf.SlopeRecovery(0.7), finder, default_root_dir=tmp_path)
    else:
        trainer = finder_after_us(tmp_path, finder)
    assert isinstance(trainer.callbacks[0], LearningRateFinder) == finder_first
    trainer.fit(module, Batches(BATCHES))
    plain_loop(twin, BATCHES, lambda loss, step: loss + 0.7 * oracle_recovery(twin))
    assert_equal_parameters(module, twin)
    assert traces(module) == []


def pickled(module: Any) -> Any:
    return pickle.loads(pickle.dumps(module))


COPIES: dict[str, Callable[[Any], Any]] = {"deepcopy": copy.deepcopy, "pickle": pickled}


def copied_during_fit(copy_of: Callable[[Any], Any], module: PlainModule) -> Any:
    copies: list[Any] = []
    callback = laaf.SlopeRecovery(5.0)
    one_epoch_trainer(callback, Probe(2, lambda fitted: copies.append(copy_of(fitted)))).fit(module, Batches(BATCHES))
    return copies[0]


@pytest.mark.parametrize("weight", [None, 0.0, 0.7])
@pytest.mark.parametrize("name", COPIES)
def test_a_copy_made_during_fit_trains_itself_with_its_own_fits_term_only(name: str, weight: float | None) -> None:
    original = adapted(PlainModule())
    module = copied_during_fit(COPIES[name], original)
    twin = adapted(PlainModule())
    twin.load_state_dict(module.state_dict())
    kept = copy.deepcopy(original.state_dict())
    one_epoch_trainer(*([] if weight is None else [laaf.SlopeRecovery(weight)])).fit(module, Batches(BATCHES))
    plain_loop(twin, BATCHES, lambda loss, step: loss + (weight or 0.0) * oracle_recovery(twin))
    assert_equal_parameters(module, twin)
    assert all(torch.equal(value, kept[key]) for key, value in original.state_dict().items())


def test_a_copys_wrapper_is_off_from_the_start_of_its_own_fit_also_at_weight_zero() -> None:
    module = copied_during_fit(copy.deepcopy, adapted(PlainModule()))
    assert traces(module) == ["training_step"]
    seen: list[list[str]] = []
    probe = Probe(0, lambda fitted: seen.append(traces(fitted)))
    one_epoch_trainer(laaf.SlopeRecovery(0), probe).fit(module, Batches(BATCHES))
    assert seen == [[]]


def test_a_deep_copy_with_a_step_on_the_instance_trains_itself_by_that_step() -> None:
    module = copied_during_fit(copy.deepcopy, with_own_step(adapted(PlainModule())))
    twin = adapted(PlainModule())
    twin.load_state_dict(module.state_dict())
    one_epoch_trainer(laaf.SlopeRecovery(0.7)).fit(module, Batches(BATCHES))
    plain_loop(twin, BATCHES, lambda loss, step: 3 * loss + 0.7 * oracle_recovery(twin))
    assert_equal_parameters(module, twin)
    assert module.training_step == types.MethodType(own_step, module)


def test_a_copy_fitted_while_the_original_is_fitted_has_no_term() -> None:
    """An average of weights that trains on its own, for instance."""
    twin = adapted(PlainModule())

    def train_a_copy(module: Any) -> None:
        clone = copy.deepcopy(module)
        twin.load_state_dict(clone.state_dict())
        one_epoch_trainer().fit(clone, Batches(BATCHES))
        plain_loop(twin, BATCHES, lambda loss, step: loss)
        assert_equal_parameters(clone, twin)

    module = adapted(PlainModule())
    one_epoch_trainer(laaf.SlopeRecovery(5.0), Probe(2, train_a_copy)).fit(module, Batches(BATCHES))


def test_one_callback_serves_several_fits_of_several_modules() -> None:
    callback = laaf.SlopeRecovery(laaf.OffAfter(0.7, steps=3))
    twin = adapted(PlainModule())
    plain_loop(twin, BATCHES, lambda loss, step: loss + 0.7 * (step < 3) * oracle_recovery(twin))
    for _ in range(2):
        module = adapted(PlainModule())
        one_epoch_trainer(callback).fit(module, Batches(BATCHES))
        assert_equal_parameters(module, twin)


def test_validation_and_test_have_no_term_and_leave_the_callback_ready() -> None:
    class Evaluates(PlainModule):
        def validation_step(self, batch: Batch, batch_idx: int) -> None:
            self.log("val/loss", self.loss(batch))

    module = adapted(Evaluates())
    callback = laaf.SlopeRecovery()
    with torch.no_grad():
        expected = module.loss(BATCHES[0]).item()
    (results,) = one_epoch_trainer(callback).validate(module, Batches(BATCHES[:1]), verbose=False)
    assert results == {"val/loss": pytest.approx(expected, rel=1e-6)}
    assert traces(module) == []
