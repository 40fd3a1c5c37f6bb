"""What a batch of predictions is, as columns by name: inputs beside outputs, one row each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN, FunctionRegressor, ImageClassifier
from laaf_lightning.problems import exact_solution
from laaf_lightning.problems.geometry import near_or_inside

Columns: TypeAlias = dict[str, Tensor]
_AGREEMENT = 1e-3  # of probabilities, in the lowest precision


def columns_of(model: LightningModule, batch: Any, outputs: Any, logits: Tensor | None = None) -> Columns:
    """Name what came out of a batch, and what went in.

    Args:
        model: the module: what it is tells the names.
        batch: inputs, or a tuple (inputs, targets).
        outputs: what its ``predict_step`` gave.
        logits: of an `ImageClassifier`, what its network gave for this batch.

    Returns:
        A `PINN`'s coordinates, unknowns and exact solution; ``x``, ``prediction`` and ``target`` of a
        `FunctionRegressor`; ``logits``, ``label``, ``probability`` and ``target`` of an `ImageClassifier`; of others
        ``prediction``, or what their dict names.

    Raises:
        ConfigurationError: for outputs that are no tensors.
    """
    inputs = batch[0] if isinstance(batch, (tuple, list)) else batch
    targets = batch[1] if isinstance(batch, (tuple, list)) and len(batch) > 1 else None
    is_matrix = isinstance(outputs, Tensor) and outputs.ndim == 2
    if isinstance(model, PINN) and is_matrix and outputs.shape[1] == len(model.problem.unknowns):
        return point_columns(model, inputs) | dict(zip(model.problem.unknowns, outputs.T, strict=True))
    if isinstance(model, ImageClassifier) and is_matrix:
        return _classified(outputs, logits) | _known("target", targets, outputs)
    columns = _named(outputs, type(model).__name__)
    if isinstance(model, FunctionRegressor):
        columns = _known("x", inputs, columns["prediction"]) | columns if "prediction" in columns else columns
        return columns | _known("target", targets, next(iter(columns.values())))
    return columns


def point_columns(model: PINN, points: Tensor) -> Columns:
    """Name the coordinates of points.

    Args:
        model: whose problem has the names.
        points: shape (N, d).

    Returns:
        A column for each coordinate.
    """
    return dict(zip(model.problem.coordinates, points.T, strict=True))


def exact_columns(model: PINN, points: Tensor, *, only_inside: bool = False) -> Columns:
    """Ask the problem for its exact solution.

    Args:
        model: a module with a problem.
        points: shape (N, d), float64.
        only_inside: whether points outside the domain, where a solution need not be known, are left NaN.

    Returns:
        ``exact_u`` of each unknown u, float64; nothing where there is no exact solution.
    """
    inside = (
        near_or_inside(model.problem.geometry, points) if only_inside else torch.ones(len(points), dtype=torch.bool)
    )
    exact = exact_solution(model.problem, points[inside])
    if exact is None:
        return {}
    values = torch.full((len(points), exact.shape[1]), torch.nan, dtype=torch.float64)
    values[inside] = exact.detach().double().cpu()
    return {f"exact_{unknown}": column for unknown, column in zip(model.problem.unknowns, values.T, strict=True)}


@contextmanager
def noted_logits(model: LightningModule) -> Iterator[list[Tensor]]:
    """Note what an `ImageClassifier` gives before the softmax, which its ``predict_step`` passes over.

    Args:
        model: any; of others nothing is noted.

    Yields:
        A list with the last logits.
    """
    noted: list[Tensor] = []
    if not isinstance(model, ImageClassifier):
        yield noted
        return
    forward = model.forward

    def noting(inputs: Tensor) -> Tensor:
        noted[:] = [forward(inputs)]
        return noted[0]

    vars(model)["forward"] = noting
    try:
        yield noted
    finally:
        del vars(model)["forward"]


def _classified(probabilities: Tensor, logits: Tensor | None) -> Columns:
    """Name probabilities; the logits only if they are theirs, which a ``predict_step`` of the user's may change."""
    probability, label = probabilities.max(dim=1)
    columns = {"label": label, "probability": probability}
    if logits is None or logits.shape != probabilities.shape:
        return columns
    softmax = logits.float().softmax(dim=1)
    are_theirs = torch.allclose(softmax, probabilities.float(), rtol=0, atol=_AGREEMENT * 8)
    return {"logits": logits, **columns} if are_theirs else columns


def _known(name: str, values: Any, rows: Tensor) -> Columns:
    """Return values as a column, if there is one for each row."""
    if not isinstance(values, Tensor) or not values.ndim or len(values) != len(rows):
        return {}
    return {name: _flat(values)}


def _named(outputs: Any, kind: str) -> Columns:
    named = outputs if isinstance(outputs, Mapping) else {"prediction": outputs}
    for name, value in named.items():
        if not isinstance(value, Tensor):
            raise ConfigurationError(
                f"predict_step of {kind} gave {name} as {type(value).__name__}, which no array holds: return a tensor "
                "with one row for each input, or a dict of such tensors"
            )
    return {str(name): _flat(torch.atleast_1d(value)) for name, value in named.items()}


def _flat(values: Tensor) -> Tensor:
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
