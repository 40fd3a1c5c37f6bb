from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

import laaf_lightning as laaf
from tests.callbacks.adapt_activations.foreign import Augmented, Perceptron, Stream, loader
from tests.trainers import quiet_trainer


class Batches(pl.Callback):
    """Keeps what is trained on."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.seen.append(batch[0].clone())


class Odd(Sampler[int]):
    """Counts its passes, and draws of its own generator."""

    def __init__(self) -> None:
        self.passes, self.random = 0, torch.Generator().manual_seed(3)

    def __iter__(self) -> Any:
        self.passes += 1
        return iter([(self.passes + int(i)) % 16 for i in torch.randperm(16, generator=self.random)])

    def __len__(self) -> int:
        return 16


DATA: dict[str, Callable[[], Any]] = {
    "shuffled": lambda: loader(shuffle=True),
    "generator": lambda: loader(shuffle=True, generator=torch.Generator().manual_seed(5)),
    "augmented": lambda: DataLoader(Augmented(), batch_size=4, shuffle=True),
    "stream": lambda: DataLoader(Stream(), batch_size=8),
    "sampler": lambda: DataLoader(Augmented(), batch_size=4, sampler=Odd()),
    "without batches": lambda: DataLoader(Augmented(), batch_size=None, shuffle=True),
}


@pytest.mark.parametrize("data", DATA)
def test_training_draws_what_it_draws_without_the_callback(data: str) -> None:
    seen = []
    for callbacks in ([], [laaf.AdaptActivations("layer")]):
        torch.manual_seed(0)
        batches = DATA[data]()
        torch.manual_seed(4)
        kept = Batches()
        trainer = quiet_trainer(*callbacks, kept, max_epochs=2, limit_val_batches=0)
        trainer.fit(Perceptron(), batches)
        seen.append(torch.stack(kept.seen))
    assert len(seen[0]) >= 2
    assert torch.equal(*seen)


def test_an_example_input_array_goes_before_the_data() -> None:
    class Exemplary(Perceptron):
        def __init__(self) -> None:
            super().__init__(schedule=False)
            self.example_input_array = torch.zeros(3, 2)

    module = Exemplary()
    trainer = quiet_trainer(laaf.AdaptActivations("neuron"), max_epochs=1, limit_val_batches=0)
    trainer.fit(module, iter([[torch.zeros(4, 2), torch.zeros(4, 1)]]))
    assert len([*laaf.named_slopes(module)]) == 3


def test_the_hooks_for_batches_are_passed() -> None:
    class Named(Perceptron):
        def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return (batch["x"], batch["y"])

    data: Any = DataLoader([{"x": torch.rand(2), "y": torch.rand(1)} for _ in range(8)], batch_size=4)  # type: ignore[arg-type]
    module = Named()
    quiet_trainer(laaf.AdaptActivations("layer"), max_epochs=1, limit_val_batches=0).fit(module, data)
    assert len([*laaf.named_slopes(module)]) == 3


def test_several_loaders_give_a_batch_of_each() -> None:
    class Two(Perceptron):
        def forward(self, batch: Any) -> Tensor:
            return super().forward(batch["one"][0] + batch["two"][0])

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            loss: Tensor = self(batch).sum()
            return loss

    module = Two()
    data = {"one": loader(), "two": loader()}
    quiet_trainer(laaf.AdaptActivations("layer"), max_epochs=1, limit_val_batches=0).fit(module, data)
    assert len([*laaf.named_slopes(module)]) == 3


def test_an_iterator_is_refused_for_it_would_lose_a_batch() -> None:
    trainer = quiet_trainer(laaf.AdaptActivations("layer"), max_epochs=1, limit_val_batches=0)
    with pytest.raises(laaf.ConfigurationError, match="would lose a batch; give Perceptron an example_input_array"):
        trainer.fit(Perceptron(), iter([[torch.zeros(4, 2), torch.zeros(4, 1)]]))


def test_data_that_fails_names_the_way_out() -> None:
    class Broken(Perceptron):
        def train_dataloader(self) -> Any:
            raise OSError("no disk")

    trainer = quiet_trainer(laaf.AdaptActivations("layer"), max_epochs=1, limit_val_batches=0)
    with pytest.raises(laaf.ConfigurationError, match="no batch to look at: OSError: no disk; give Broken an example"):
        trainer.fit(Broken())
