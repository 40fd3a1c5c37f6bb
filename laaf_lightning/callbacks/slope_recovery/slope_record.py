"""What the slopes were at the log steps of a run, for its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from laaf_lightning.figures import SlopeHistory

_MOST = 4096


class SlopeRecord:
    """Means and standard deviations of n·a in every layer, by step; thinned out where a run is long.

    Args:
        names: of the layers.

    Example:
        >>> record = SlopeRecord(["act"])
        >>> record.add(0, {"slope/act/mean": 1.0})
        >>> record.history().mean.tolist()
        [[1.0]]
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._rows: list[list[float]] = []

    def add(self, step: int, statistics: Mapping[str, float]) -> None:
        """Note the slopes at a step.

        Args:
            step: the optimiser step.
            statistics: of `slope_statistics`.
        """
        means = [statistics[f"slope/{name}/mean"] for name in self.names]
        stds = [statistics.get(f"slope/{name}/std", 0.0) for name in self.names]
        self._rows.append([step, *means, *stds])
        if len(self._rows) > _MOST:
            self._rows = self._rows[::2]

    def history(self) -> SlopeHistory | None:
        """Give the record as a figure takes it.

        Returns:
            The history; None before the first entry.
        """
        if not self._rows:
            return None
        rows = np.array(self._rows)
        steps, means, stds = np.split(rows, [1, 1 + len(self.names)], axis=1)
        return SlopeHistory(steps[:, 0], means, self.names, stds if stds.any() else None)

    def state(self) -> dict[str, Any]:
        """Give the record as a checkpoint keeps it.

        Returns:
            Names, and a float64 tensor of step, means and deviations, (T, 1 + 2K).
        """
        width = 1 + 2 * len(self.names)
        return {"names": list(self.names), "rows": torch.tensor(self._rows, dtype=torch.float64).reshape(-1, width)}

    def go_on_from(self, state: Mapping[str, Any] | None) -> None:
        """Take over the record of the run that is resumed, if it is one of the same layers.

        Args:
            state: of `state`; None if nothing was kept.
        """
        if state is not None and tuple(state["names"]) == self.names:
            self._rows = state["rows"].tolist()
