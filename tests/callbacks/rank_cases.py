"""What two ranks do with slope recovery; called in both processes."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from pytorch_lightning import Callback
from torch.optim import Optimizer

import laaf_lightning as laaf
from tests.callbacks.plain_training import Batch, Batches, PlainModule, adapted, regression_batches
from tests.ranks import WORLD_SIZE, two_rank_trainer

BATCHES = regression_batches()


class KnowsItsConstant(PlainModule):
    def constant_network_loss(self, batch: Batch) -> Any:
        return batch[1].var(correction=0)


class TellsOnOneRank(PlainModule):
    def constant_network_loss(self, batch: Batch) -> float | None:
        return 0.25 if self.global_rank == 0 else None


class Outputs(Callback):
    """Keep the loss that hooks after ours see."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses.append(float(outputs["loss"]))


def part_of(batch: Batch, rank: int) -> Batch:
    """Give a rank its share of the points."""
    x, y = batch
    return x.chunk(WORLD_SIZE)[rank], y.chunk(WORLD_SIZE)[rank]


class SharedBatches(Batches):
    """The batches of this rank, which is known once the ranks have met."""

    def __iter__(self) -> Any:
        return iter([part_of(batch, torch.distributed.get_rank()) for batch in self.batches])


def training() -> dict[str, Any]:
    """Fit with a schedule, accumulation and log; return parameters, logged values and the theorem's numbers."""
    module = adapted(KnowsItsConstant(), "neuron")
    callback, outputs = laaf.SlopeRecovery(laaf.OffAfter(0.7, steps=4)), Outputs()
    trainer = two_rank_trainer(max_epochs=1, log_every_n_steps=1, callbacks=[callback, outputs])
    trainer.fit(module, SharedBatches(BATCHES))
    assert callback.assumption is not None
    return {
        "state": module.state_dict(),
        "logged": {name: value.item() for name, value in trainer.callback_metrics.items()},
        "assumption": dict(vars(callback.assumption)),
        "losses": outputs.losses,
    }


def accumulation() -> dict[str, Any]:
    module = adapted(PlainModule())
    trainer = two_rank_trainer(max_epochs=1, accumulate_grad_batches=2, callbacks=[laaf.SlopeRecovery(0.7)])
    trainer.fit(module, SharedBatches(BATCHES))
    return module.state_dict()


def only_one_rank_can_tell() -> bool:
    callback = laaf.SlopeRecovery()
    trainer = two_rank_trainer(max_epochs=1, callbacks=[callback])
    trainer.fit(adapted(TellsOnOneRank()), SharedBatches(BATCHES))
    return callback.assumption is None


class OurLineSearch(laaf.FunctionRegressor):
    def configure_optimizers(self) -> Optimizer:
        return torch.optim.LBFGS(self.parameters(), line_search_fn="strong_wolfe")


def line_search_warnings() -> list[list[str]]:
    """Start fits with L-BFGS, of a foreign module with and without line search and of ours; return what was warned."""
    foreign, steady = adapted(PlainModule()), adapted(PlainModule())
    foreign.optimizer, steady.optimizer = "lbfgs", "lbfgs without search"
    texts = []
    for module in (foreign, steady, OurLineSearch(2, 1, width=4, depth=2).double()):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            trainer = two_rank_trainer(max_steps=0, max_epochs=-1, callbacks=[laaf.SlopeRecovery()])
            trainer.fit(module, SharedBatches(BATCHES))
        texts.append([str(warning.message) for warning in caught if "ranks" in str(warning.message)])
    return texts
