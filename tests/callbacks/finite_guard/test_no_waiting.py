"""Between checks nothing asks an accelerator for a value."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pytorch_lightning import Trainer
from torch.utils._python_dispatch import TorchDispatchMode

import laaf_lightning as laaf
from laaf_lightning.callbacks.finite_guard.guarded_fit import GuardedFit
from tests.callbacks.finite_guard import cases
from tests.callbacks.finite_guard.cases import BATCHES, fit

_WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "_to_copy", "equal")


class Waits(TorchDispatchMode):
    """Note each operation that would wait for a device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in _WAITS:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("every", [1, 100])
def test_a_step_without_a_check_waits_for_nothing(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    construct, waits = GuardedFit.__init__, Waits()

    def without_reading(self: GuardedFit, *args: Any) -> None:
        construct(self, *args)
        self._reads_losses = self._reads_gradients = False

    monkeypatch.setattr(GuardedFit, "__init__", without_reading)

    class Noted(laaf.FiniteGuard):
        def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
            with waits:
                super().on_train_batch_start(trainer, *args)

        def on_before_backward(self, trainer: Trainer, *args: Any) -> None:
            with waits:
                super().on_before_backward(trainer, *args)

        def on_before_optimizer_step(self, trainer: Trainer, *args: Any) -> None:
            with waits:
                super().on_before_optimizer_step(trainer, *args)

        def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
            with waits:
                super().on_train_batch_end(trainer, *args)

    fit(cases.module(), BATCHES, guard=Noted(check_every_n_steps=every))
    assert bool(waits.seen) == (every == 1)
    assert torch.is_grad_enabled()
