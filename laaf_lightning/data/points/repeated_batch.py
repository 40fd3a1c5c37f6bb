"""A loader that hands out one batch many times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from laaf_lightning.errors import ConfigurationError

T = TypeVar("T")


class RepeatedBatch(Generic[T]):
    """The same batch `repeats` times, so that an epoch of a full-batch job is many optimiser steps.

    Args:
        batch: what each step receives.
        repeats: number of steps in an epoch, ≥ 1.

    Raises:
        ConfigurationError: if `repeats` is less than 1.

    Example:
        >>> list(RepeatedBatch("all points", 2))
        ['all points', 'all points']
    """

    def __init__(self, batch: T, repeats: int) -> None:
        if repeats < 1:
            raise ConfigurationError(f"steps_per_epoch={repeats} must be >= 1")
        self.batch = batch
        self.repeats = repeats

    def state_dict(self) -> dict[str, int]:
        """Return nothing: a run goes on within an epoch with the same batch.

        Returns:
            An empty dict, by which Lightning knows that it can.
        """
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on, from anywhere.

        Args:
            state: what `state_dict` returned.
        """

    def __len__(self) -> int:
        return self.repeats

    def __iter__(self) -> Iterator[T]:
        for _ in range(self.repeats):
            yield self.batch
