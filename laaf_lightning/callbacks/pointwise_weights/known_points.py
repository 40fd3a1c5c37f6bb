"""Weights that belong to points, whatever batch brings them and in whichever order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor


class KnownPoints:
    """A weight for each point that was met, and the step at which it was last updated.

    A point is known by its coordinates, to the bit; two points with the same share a weight.

    Args:
        start: the weight of a new point.
        present: gives all points that training uses now, (N, d) of any dtype, on the CPU; those that are not among them
            are forgotten when a new one is met.

    Attributes:
        weights: shape (M,), float64, on the CPU.
        updated: optimiser steps taken before the last update, shape (M,); −1 for none.

    Example:
        >>> points = torch.tensor([[0.0], [1.0]])
        >>> known = KnownPoints(1.0, lambda: points)
        >>> known.rows(points.flip(0)).tolist(), known.weights.tolist()
        ([1, 0], [1.0, 1.0])
    """

    def __init__(self, start: float, present: Callable[[], Tensor]) -> None:
        self._start, self._present = start, present
        self._row_of: dict[bytes, int] = {}
        self._points = torch.zeros(0, 0)
        self.weights = torch.zeros(0, dtype=torch.float64)
        self.updated = torch.zeros(0, dtype=torch.long)

    def rows(self, points: Tensor) -> Tensor:
        """Return where points stand in `weights`; new ones are added.

        Args:
            points: shape (N, d), on the CPU.

        Returns:
            Shape (N,).
        """
        keys = _keys(points)
        if not all(key in self._row_of for key in keys):
            self._begin_anew(points, keys)
        return torch.tensor([self._row_of[key] for key in keys], dtype=torch.long)

    def state(self) -> dict[str, Tensor]:
        """Return the points that training uses now, in their own order, with their weights.

        Returns:
            ``"points"``, ``"weights"`` and ``"updated"``, as for `take`.
        """
        points = self._present().to(self._points.dtype)
        rows = self.rows(points)
        return {"points": points, "weights": self.weights[rows], "updated": self.updated[rows]}

    def take(self, points: Tensor, weights: Tensor, updated: Tensor) -> None:
        """Know these points.

        Args:
            points: shape (M, d).
            weights: shape (M,).
            updated: shape (M,).
        """
        self._row_of = {key: row for row, key in enumerate(_keys(points))}
        self._points, self.weights, self.updated = points, weights.clone(), updated.clone()

    def _begin_anew(self, points: Tensor, keys: list[bytes]) -> None:
        """Take in the points that training uses now, with the weights of those that are known."""
        present = self._present().to(points.dtype)
        rows = dict.fromkeys(_keys(present)) | dict.fromkeys(keys)
        whole = torch.cat([present, points])
        places = {key: row for row, key in enumerate([*_keys(present), *keys])}
        old = [self._row_of.get(key, -1) for key in rows]
        weights = torch.full((len(rows),), self._start, dtype=torch.float64)
        updated = torch.full((len(rows),), -1, dtype=torch.long)
        index = torch.tensor(old, dtype=torch.long)
        kept = index >= 0
        weights[kept], updated[kept] = self.weights[index[kept]], self.updated[index[kept]]
        self.take(whole[torch.tensor([places[key] for key in rows], dtype=torch.long)], weights, updated)


def _keys(points: Tensor) -> list[bytes]:
    rows: np.ndarray[Any, Any] = points.detach().contiguous().view(torch.uint8).numpy()  # of any dtype
    size, raw = rows.shape[1], rows.tobytes()
    return [raw[start : start + size] for start in range(0, len(raw), size)]
