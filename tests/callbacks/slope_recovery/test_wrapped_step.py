from __future__ import annotations

import copy
import types
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning.callbacks.slope_recovery.wrapped_step import LossTerm, unwrap_training_step
from tests.callbacks.plain_training import PlainModule, regression_batches

BATCH = regression_batches(1)[0]


class Returns(PlainModule):
    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return self.output


def plus_ten(loss: Tensor) -> Tensor:
    return loss + 10


def wrap_again(module: Any) -> None:
    """Do to a module what another library might: wrap the step on the instance, for good."""
    inner = module.training_step

    def training_step(self: Any, *args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    module.__dict__["training_step"] = types.MethodType(training_step, module)


@pytest.mark.parametrize("output", [None, {}, {"loss": None}, {"loss": 3.0}, {"other": torch.ones(())}, "text"])
def test_outputs_without_a_loss_tensor_pass_as_they_are(output: Any) -> None:
    module = Returns(output)
    LossTerm(module, plus_ten)
    assert module.training_step(BATCH, 0) is output


def test_the_modules_own_output_is_not_changed() -> None:
    module = Returns({"loss": torch.ones(()), "other": "kept"})
    LossTerm(module, plus_ten)
    assert module.training_step(BATCH, 0) == {"loss": torch.tensor(11.0), "other": "kept"}
    assert module.output == {"loss": torch.ones(()), "other": "kept"}


def test_removing_twice_or_unwrapping_a_plain_module_does_nothing() -> None:
    module = Returns(torch.ones(()))
    term = LossTerm(module, plus_ten)
    for _ in range(2):
        term.remove()
        unwrap_training_step(module)
        assert "training_step" not in vars(module)


def test_a_new_term_takes_the_place_of_one_that_was_left() -> None:
    module = Returns(torch.ones(()))
    LossTerm(module, plus_ten)
    LossTerm(module, plus_ten)
    assert module.training_step(BATCH, 0) == 11


def test_a_copy_is_left_alone_before_and_after_it_is_unwrapped() -> None:
    module = Returns(torch.ones(()))
    LossTerm(module, plus_ten)
    clone = copy.deepcopy(module)
    clone.output = torch.zeros(())
    assert clone.training_step(BATCH, 0) == 0
    unwrap_training_step(clone)
    assert "training_step" not in vars(clone)
    assert module.training_step(BATCH, 0) == 11


def test_under_somebody_elses_wrapper_the_term_stops_and_never_counts_twice() -> None:
    module = Returns(torch.ones(()))
    for _ in range(3):
        term = LossTerm(module, plus_ten)
        wrap_again(module)
        assert module.training_step(BATCH, 0) == 11
        term.remove()
        assert module.training_step(BATCH, 0) == 1


def test_the_signature_that_lightning_inspects_is_the_steps_own() -> None:
    module = Returns(torch.ones(()))
    LossTerm(module, plus_ten)
    assert module.training_step.__name__ == "training_step"
    assert module.training_step.__wrapped__ is Returns.training_step  # type: ignore[attr-defined]
