"""What two ranks do under guard; called in both processes."""

from __future__ import annotations

import math
from typing import Any

import torch

import laaf_lightning as laaf
from tests.callbacks.finite_guard import cases
from tests.callbacks.plain_training import PlainModule, adapted
from tests.callbacks.rank_cases import SharedBatches
from tests.ranks import two_rank_trainer


class OnRankOne(SharedBatches):
    """NaN in the targets of rank one alone, from the fourth batch on or in that one."""

    until = 99

    def __iter__(self) -> Any:
        for number, (x, y) in enumerate(super().__iter__()):
            bad = 3 <= number < self.until and torch.distributed.get_rank() == 1
            yield x, y * (math.nan if bad else 1.0)


def _ends(module: PlainModule, batches: Any, *callbacks: Any, **settings: Any) -> dict[str, Any]:
    guard = laaf.FiniteGuard(check_every_n_steps=2, **settings)
    trainer = two_rank_trainer(max_epochs=1, callbacks=[*callbacks, guard])
    try:
        trainer.fit(module, batches)
    except laaf.NonFiniteError as error:
        return {"text": str(error), "step": error.step, "first": error.first, "taken": trainer.global_step}
    finite = all(bool(p.isfinite().all()) for p in module.parameters())
    return {"text": None, "finite": finite, "returns": guard.returns, "taken": trainer.global_step}


def data_of_one_rank() -> dict[str, Any]:
    return _ends(cases.module(), OnRankOne(cases.BATCHES))


def data_of_one_rank_with_recovery() -> dict[str, Any]:
    return _ends(cases.module(), OnRankOne(cases.BATCHES), laaf.SlopeRecovery())


def gradient() -> dict[str, Any]:
    return _ends(adapted(cases.RootOfZero()), SharedBatches(cases.BATCHES))


def return_once() -> dict[str, Any]:
    batches = OnRankOne(cases.BATCHES)
    batches.until = 4
    return _ends(cases.module(), batches, rollback=1)


def all_is_well() -> dict[str, Any]:
    return _ends(cases.module(), SharedBatches(cases.BATCHES))
