"""Predicts, and keeps what came out in the run's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from laaf_lightning.cli.run.predictions.columns import (
    Columns,
    columns_of,
    exact_columns,
    noted_logits,
    point_columns,
)
from laaf_lightning.cli.run.predictions.derivatives import DerivativesOf, parse_derivatives
from laaf_lightning.cli.run.predictions.points_file import SETTING, read_points
from laaf_lightning.cli.run.predictions.positions import TakesTurns, length, positions
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN, FunctionRegressor, ImageClassifier
from laaf_lightning.problems.geometry import near_or_inside
from laaf_lightning.whole_files import write_whole

FILE = "predictions"


def predict_and_keep(
    trainer: Trainer, model: LightningModule, config: Any, folder: Callable[[], Path | None], **kwargs: Any
) -> str | None:
    """Predict, and write one ``predictions.npz``, on several ranks one for each.

    Args:
        trainer: what predicts.
        model: its module.
        config: the settings ``points`` and ``derivatives``.
        folder: tells the run's folder, on all ranks, after the prediction.
        kwargs: arguments of ``Trainer.predict``.

    Returns:
        A line that says what is where; None where nothing is written.
    """
    path, asked = config.get("points"), config.get("derivatives")
    derivatives = parse_derivatives(asked, model)
    given = None if path is None else torch.from_numpy(read_points(path, _coordinates(model)))
    chunks = None if given is None else TakesTurns(given, trainer)
    if chunks is not None:
        kwargs = {**kwargs, "datamodule": None, "dataloaders": chunks}
    of_points = DerivativesOf(model, derivatives) if derivatives and isinstance(model, PINN) else None
    collected = _Collected(of_points, chunks)
    trainer.callbacks.append(collected)  # type: ignore[attr-defined]
    try:
        with noted_logits(model) as collected.logits:
            trainer.predict(model, **{**kwargs, "return_predictions": False})
    finally:
        trainer.callbacks.remove(collected)  # type: ignore[attr-defined]
    where = folder()
    if where is None or trainer.fast_dev_run or not collected.arrays:  # type: ignore[attr-defined]
        return None
    lines = [_written(where, trainer, arrays, number, collected) for number, arrays in enumerate(collected.arrays)]
    outside = _outside(model, given)
    return "; ".join(lines) + outside


def _coordinates(model: LightningModule) -> tuple[str, ...]:
    if isinstance(model, PINN):
        return tuple(model.problem.coordinates)
    if isinstance(model, FunctionRegressor):
        count = model.in_features
        return ("x",) if count == 1 else tuple(f"x{number + 1}" for number in range(count))
    raise ConfigurationError(
        f"{SETTING} is for a PINN or a FunctionRegressor, whose coordinates have names: {type(model).__name__} "
        "predicts what its data hold"
    )


class _Collected(Callback):
    """Names and keeps each batch's outputs, on the CPU.

    Attributes:
        arrays: of each data loader, those of all batches by name.
        logits: where the logits of a batch are noted.
    """

    def __init__(self, derivatives: DerivativesOf | None, chunks: TakesTurns | None) -> None:
        self._derivatives, self._chunks = derivatives, chunks
        self._batches: list[list[Columns]] = []
        self.logits: list[Tensor] = []
        self.arrays: list[dict[str, Tensor]] = []

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch; None is what a module gives that writes its predictions itself."""
        if outputs is None:
            return
        columns = columns_of(pl_module, batch, outputs, *self.logits)
        while len(self._batches) <= dataloader_idx:
            self._batches.append([])
        before = sum(_rows(part) for part in self._batches[dataloader_idx])
        if isinstance(pl_module, PINN):
            columns = self._at_points(pl_module, batch, columns, before)
        self._batches[dataloader_idx].append({name: _kept(values) for name, values in columns.items()})

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Join the batches; note where in the set each row stands."""
        loaders = trainer.predict_dataloaders
        loaders = loaders if isinstance(loaders, (list, tuple)) else [loaders]
        for loader, batches in zip(loaders, self._batches, strict=False):
            names = dict.fromkeys(name for part in batches for name in part)
            joined = {name: torch.cat([part[name] for part in batches if name in part]) for name in names}
            wants = isinstance(pl_module, ImageClassifier) or trainer.world_size > 1
            index = positions(trainer, loader, _rows(joined)) if wants and joined else None
            if index is not None:
                known = length(loader)
                first = torch.ones_like(index, dtype=torch.bool) if known is None else index < known
                joined = {name: values[first] for name, values in {"index": index, **joined}.items()}
            self.arrays.append(joined)

    def _at_points(self, model: PINN, batch: Any, columns: Columns, before: int) -> Columns:
        """Add what is known at a PINN's points; those of a file stand as they were given, not rounded."""
        points = batch[0] if isinstance(batch, (tuple, list)) else batch
        given = points.detach().cpu().double() if self._chunks is None else self._chunks.share[before:][: len(points)]
        if self._chunks is not None:
            columns = columns | point_columns(model, given)
        with torch.inference_mode(mode=False):
            columns = columns | exact_columns(model, given.clone(), only_inside=self._chunks is not None)
        return columns | (self._derivatives(points) if self._derivatives is not None else {})


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values()))) if columns else 0


def _kept(values: Tensor) -> Tensor:
    values = values.detach().cpu()
    return values.float() if values.dtype in {torch.bfloat16, torch.float16} else values


def _written(folder: Path, trainer: Trainer, arrays: dict[str, Tensor], number: int, collected: _Collected) -> str:
    several = f"-loader{number}" if len(collected.arrays) > 1 else ""
    rank = f"-rank{trainer.global_rank}" if trainer.world_size > 1 else ""
    file = folder / f"{FILE}{several}{rank}.npz"
    plain: dict[str, Any] = {name: values.numpy() for name, values in arrays.items()}
    write_whole(file, lambda stream: np.savez(stream, **plain), "predictions", replace=False)
    others = ", those of the other ranks beside it" if trainer.world_size > 1 else ""
    return f"{_rows(arrays):,} predictions ({', '.join(arrays)}) in {file}{others}"


def _outside(model: LightningModule, points: Tensor | None) -> str:
    if points is None or not isinstance(model, PINN):
        return ""
    count = int((~near_or_inside(model.problem.geometry, points)).sum())
    return f"; {count:,} of these points lie outside the domain of {type(model.problem).__name__}" if count else ""
