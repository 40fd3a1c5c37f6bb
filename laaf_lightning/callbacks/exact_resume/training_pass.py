"""A pass over the training data that can be taken up again in its middle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightning_fabric.utilities.data import sized_len
from lightning_fabric.utilities.types import _Stateful
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import CombinedLoader
from torch.utils.data.dataloader import _SingleProcessDataLoaderIter

from laaf_lightning.callbacks.exact_resume.own_values.random_states import (
    States,
    generator_states,
    random_states,
    set_generator_states,
    set_random_states,
)
from laaf_lightning.callbacks.exact_resume.own_values.reachable import GENERATORS, ChangedNumbers, reachable


class TrainingPass:
    """Stands between a Trainer's fetcher and its loaders: notes the random states in which a pass begins.

    With these a `DataLoader` gives the same order and the same batches again, also from worker processes. Loaders with
    a ``state_dict`` of their own go on by that, which Lightning loads.

    Args:
        trainer: whose loaders are set up.

    Attributes:
        is_ahead: whether it has begun, and nothing of it was trained on; a stream's first batch is fetched early.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        fetcher: Any = trainer.fit_loop._data_fetcher
        self._loader: CombinedLoader = fetcher._combined_loader
        self._device = trainer.strategy.root_device
        self.is_ahead = False
        self._length = sized_len(self._loader)
        self._go_on_alone = [isinstance(one, _Stateful) for one in self._loader.flattened]  # slow to ask at every step
        self._find_generators()
        self._numbers = ChangedNumbers(reachable(self._roots(alone=False)))
        self._begun: States | None = None
        self._again: tuple[States, int] | None = None

    @classmethod
    def install(cls, trainer: Trainer) -> TrainingPass:
        """Let a Trainer's fetcher ask a new pass for batches, unless it does so already.

        Args:
            trainer: whose loaders are set up.

        Returns:
            What it asks.
        """
        fetcher: Any = trainer.fit_loop._data_fetcher
        if isinstance(fetcher._combined_loader, cls):
            return fetcher._combined_loader
        installed = cls(trainer)
        fetcher._combined_loader = installed
        return installed

    @property
    def begun(self) -> States:
        """The states of all generators as this pass began; those of now where none has begun."""
        return self.states() if self._begun is None else self._begun

    def states(self) -> States:
        """Read the states of all generators: the global ones, and those of loaders, samplers and data sets.

        Returns:
            What `set_states` takes.
        """
        return {
            "global": random_states(self._device),
            "own": generator_states(self._generators),
            "numbers": self._numbers.state(),
        }

    def set_states(self, states: States) -> None:
        """Put all generators back.

        Args:
            states: as they were.
        """
        set_random_states(states["global"], self._device)
        set_generator_states(self._generators, states["own"])
        self._numbers.set(states["numbers"])

    def load_pending_states(self, trainer: Trainer) -> None:
        """Load the states of loaders that were made before the checkpoint was read, which Lightning forgets.

        Args:
            trainer: whose loaders they are.
        """
        pending = trainer.fit_loop._combined_loader_states_to_load
        trainer.fit_loop._combined_loader_states_to_load = []
        self._loader._load_state_dicts(pending)

    def loader_states(self) -> list[dict[str, Any]]:
        """Ask loaders that have a state for it.

        Returns:
            As Lightning keeps it in a checkpoint.
        """
        alone = zip(self._loader.flattened, self._go_on_alone, strict=True)
        return [loader.state_dict() for loader, goes_on in alone if goes_on]

    def go_on(self, begun: States, batches: int) -> None:
        """Let the next pass be one that began earlier.

        Args:
            begun: the states in which it began.
            batches: how many were taken from it.
        """
        self._again = (begun, batches)

    def begin(self) -> None:
        """Let the next pass be a new one."""
        self._again = None

    def __len__(self) -> int:
        if self._length is None:
            raise TypeError("the training data have no length")
        return self._length

    def __iter__(self) -> Iterator[Any]:
        # A generator: it begins at the first batch, when all that a start draws has been drawn.
        self._find_generators()
        self.is_ahead = True
        now = self.states()
        again, self._again = self._again, None
        if again is not None:
            self.set_states(again[0])
        for loader in self._loader.flattened:
            if getattr(loader, "persistent_workers", False):
                loader._iterator = None  # workers of earlier epochs have random states that no checkpoint holds
        self._begun = now if again is None else again[0]
        iter(self._loader)
        if again is not None:
            self._skip(again[1])
            self.set_states(now)
        while (batch := next(self._loader, None)) is not None:  # `yield from` would begin it again
            yield batch

    def reset(self) -> None:
        """Shut down what fetches batches."""
        self._loader.reset()

    def _skip(self, count: int) -> None:
        """Leave out batches that were trained on: their indices where that is enough, else the batches."""
        iterators: list[Any] = list(getattr(self._loader._iterator, "iterators", []))
        for _ in range(count):
            for one, goes_on in zip(iterators, self._go_on_alone, strict=True):
                if len(iterators) == 1 and isinstance(one, _SingleProcessDataLoaderIter):
                    one._next_index()
                elif not goes_on:
                    next(one, None)

    def _find_generators(self) -> None:
        module: Any = self._trainer.lightning_module
        validation: Any = self._trainer.fit_loop.epoch_loop.val_loop._combined_loader
        roots = {**self._roots(), "module": module, "validation": getattr(validation, "flattened", None)}
        self._generators = {path: one for path, one in reachable(roots).items() if isinstance(one, GENERATORS)}

    def _roots(self, *, alone: bool = True) -> dict[str, object]:
        """Name the loaders; those that go on by a state of their own where `alone`."""
        loaders = zip(self._loader.flattened, self._go_on_alone, strict=True)
        return {str(place): one for place, (one, goes_on) in enumerate(loaders) if alone or not goes_on}
