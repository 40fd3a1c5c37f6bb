"""What two processes do with `AdaptActivations`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import laaf_lightning as laaf
from tests.callbacks.adapt_activations.foreign import Batch, Perceptron, regression
from tests.ranks import two_rank_trainer


class Ranked(Perceptron):
    """Each rank has data of its own."""

    def train_dataloader(self) -> DataLoader[Any]:
        x, y = regression().tensors
        return DataLoader(TensorDataset(x + self.global_rank, y), batch_size=8)


class Failing(Ranked):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("missing")


class Different(Ranked):
    """A rank whose own example would tell of other calls."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training or x.max() < 1 else super().forward(x).tanh()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.loss(batch)


def adapted() -> dict[str, Any]:
    torch.manual_seed(0)
    module = Ranked(schedule=False)
    trainer = two_rank_trainer(callbacks=[laaf.AdaptActivations("neuron", n=2, slope_lr=0.1)], max_steps=6)
    trainer.fit(module)
    return {"state": module.state_dict(), "groups": [len(g["params"]) for g in trainer.optimizers[0].param_groups]}


def of_the_first_rank() -> list[str]:
    torch.manual_seed(0)
    module = Different(schedule=False)
    two_rank_trainer(callbacks=[laaf.AdaptActivations("layer")], max_steps=2).fit(module)
    return [name for name, _ in laaf.named_slopes(module)]


def refused() -> str:
    try:
        two_rank_trainer(callbacks=[laaf.AdaptActivations("layer")], max_steps=2).fit(Failing())
    except laaf.ConfigurationError as error:
        return str(error)
    return ""
