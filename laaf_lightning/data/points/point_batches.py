"""Batches of points for PINNs: all of them at every step, or minibatches of the residual points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import CollocationBatch


class PointBatches:
    """Hands out the same batch many times, or in turn minibatches of its residual points.

    Minibatches go through the points in a random order, which is drawn anew whenever all have been used, so that
    every point is used equally often, and never twice in one. The conditions are complete in each.

    Args:
        batch: all points of this process.
        repeats: number of steps in an epoch, ≥ 1.
        batch_size: residual points in a step; None for all.
        seed: of the orders.

    Raises:
        ConfigurationError: for less than one step, or a batch size outside 1 … the number of points.

    Example:
        >>> points = torch.arange(4.0)[:, None]
        >>> batches = PointBatches(CollocationBatch(points, points[:0], points[:0]), 2, batch_size=2)
        >>> sorted(x.item() for batch in batches for x in batch.residual_points)
        [0.0, 1.0, 2.0, 3.0]
    """

    def __init__(self, batch: CollocationBatch, repeats: int, batch_size: int | None = None, seed: int = 0) -> None:
        if repeats < 1:
            raise ConfigurationError(f"steps_per_epoch={repeats} must be >= 1")
        self.repeats = repeats
        self.batch_size = batch_size
        self._generator = torch.Generator().manual_seed(seed)
        self.replace(batch)

    def replace(self, batch: CollocationBatch) -> None:
        """Hand out other points, from the next step on.

        Args:
            batch: all points of this process.

        Raises:
            ConfigurationError: if the residual points are fewer than a minibatch.
        """
        count = len(batch.residual_points)
        if self.batch_size is not None and not 1 <= self.batch_size <= count:
            raise ConfigurationError(
                f"batch_size={self.batch_size} must be from 1 to the number of residual points of a process, {count}; "
                "leave it out for all of them"
            )
        self.batch = batch
        self._order = torch.empty(0, dtype=torch.long)  # what was left of the old points' is not of these

    def state_dict(self) -> dict[str, Tensor]:
        """Return where the orders are: Lightning keeps it in checkpoints, so that a run goes on within an epoch.

        Returns:
            The rest of the present order, and the state of the generator of the next ones.
        """
        return {"order": self._order, "generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there.

        Args:
            state: what `state_dict` returned.
        """
        self._order = state["order"]
        self._generator.set_state(state["generator"])

    def __len__(self) -> int:
        return self.repeats

    def __iter__(self) -> Iterator[CollocationBatch]:
        for _ in range(self.repeats):
            yield self.batch if self.batch_size is None else self._minibatch(self.batch, self.batch_size)

    def _minibatch(self, batch: CollocationBatch, size: int) -> CollocationBatch:
        count, rest = len(batch.residual_points), self._order
        if len(rest) < size:
            # The rest of one order is filled up by points of the next that are not in it: none comes twice.
            following = torch.randperm(count, generator=self._generator)
            filling = following[~torch.isin(following, rest)][: size - len(rest)]
            self._order = torch.cat([rest, filling, following[~torch.isin(following, filling)]])
        chosen, self._order = self._order[:size], self._order[size:]
        return batch._replace(residual_points=batch.residual_points[chosen])
