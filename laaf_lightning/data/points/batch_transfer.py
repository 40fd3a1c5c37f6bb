"""Moving a batch to the device once, where every step uses it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class LastMoved:
    """Remembers the last batch and what it became; copies and pickles remember nothing."""

    def __init__(self) -> None:
        self._batch: Any = None
        self._moved: Any = None

    def __call__(self, batch: Any, move: Callable[[], Any]) -> Any:
        """Move a batch, unless it is the one that was moved last.

        Args:
            batch: what a loader yields; the same object stands for the same numbers.
            move: moves it.

        Returns:
            The batch on the device.
        """
        if batch is not self._batch:
            self._batch, self._moved = batch, move()
        return self._moved

    def __reduce__(self) -> tuple[type[LastMoved], tuple[()]]:
        return LastMoved, ()
