"""A problem on an uneven box, and the batch that a DataModule hands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor

from laaf_lightning.data import CollocationBatch, CollocationDataModule
from laaf_lightning.derivatives import Field
from laaf_lightning.problems import PDE, Condition, Dirichlet


class Brick(PDE):
    """A problem on an uneven box, without an exact solution."""

    coordinates = ("x", "y", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"t": (0.0, 0.5), "x": (2.0, 5.0), "y": (-4.0, -3.0)}

    def __init__(self, conditions: Sequence[Condition] | None = None) -> None:
        faces = (
            Dirichlet("bottom", ("y", -4.0), lambda p: p[:, :1] * (2 + p[:, 2:])),
            Dirichlet("start", ("t", 0.0), double),
        )
        self._conditions: Sequence[Condition] = faces if conditions is None else conditions

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("t")

    def conditions(self) -> Sequence[Condition]:
        return self._conditions


def double(points: Tensor) -> Tensor:
    return 2 * points[:, :1]


def batch_of(data: CollocationDataModule) -> CollocationBatch:
    loader = data.train_dataloader()
    return next(iter(loader))
