"""The size of the residual at a batch's points, and what processes tell each other of their points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.strategies import Strategy
from torch import Tensor

from laaf_lightning.callbacks.undisturbed import undisturbed
from laaf_lightning.errors import ConfigurationError


def magnitudes_at(trainer: Trainer, module: LightningModule, points: Tensor, chunk_size: int) -> Tensor:
    """Compute |r|, for several equations the Euclidean norm over them, in eval mode, leaving no trace.

    Args:
        trainer: the Trainer, whose precision holds.
        module: has ``residual(points)``, of shape (N, E) or (N,).
        points: shape (N, d).
        chunk_size: most points at a time.

    Returns:
        Shape (N,), float64, on the CPU.

    Raises:
        ConfigurationError: if the residual has another shape, or is not finite at a point, which is named.
    """
    parts = []
    if getattr(getattr(module, "solution", None), "couples_points", False):
        chunk_size = len(points)  # the residual at one depends on the others
    # Gradients are on, since a residual may differentiate by its points; a chunk's graph goes with the chunk.
    with undisturbed(module, training=False, gradients=True), trainer.precision_plugin.forward_context():
        for chunk in points.split(chunk_size):
            residual: Tensor = module.residual(chunk)  # type: ignore[operator]
            if len(residual) != len(chunk):
                raise ConfigurationError(
                    f"residual(points) of {type(module).__name__} has shape {tuple(residual.shape)} at {len(chunk)} "
                    "points: it must return one row for each point"
                )
            parts.append(residual.detach().cpu().double().reshape(len(chunk), -1))
    magnitudes: Tensor = torch.linalg.vector_norm(torch.cat(parts), dim=1)
    bad = (~magnitudes.isfinite()).nonzero().flatten().tolist()
    if bad:
        raise ConfigurationError(
            f"the residual of {type(module).__name__} is not finite at {len(bad)} of {len(points)} points, as at "
            f"{points[bad[0]].tolist()}, so that PointwiseWeights cannot weigh them: training has diverged (take a "
            "smaller learning rate), or the equation is singular there"
        )
    return magnitudes


def largest_of_all(magnitudes: Tensor, strategy: Strategy) -> float:
    """Return the maximum over the points of all processes.

    Args:
        magnitudes: of this process, shape (N,).
        strategy: the Trainer's, which gathers.

    Returns:
        The maximum.
    """
    largest = strategy.all_gather(magnitudes.max().to(strategy.root_device))
    return float(largest.max())


def latest_of_all(state: Mapping[str, Tensor], strategy: Strategy) -> dict[str, Any]:
    """Take each point's weight from the process that has updated it last.

    Args:
        state: of this process: the same points on all.
        strategy: the Trainer's, which gathers.

    Returns:
        The same on all processes.
    """
    weights, updated = (
        strategy.all_gather(state[name].to(strategy.root_device)).cpu() for name in ("weights", "updated")
    )
    latest = updated.argmax(dim=0, keepdim=True)
    return {
        "points": state["points"],
        "weights": weights.gather(0, latest)[0],
        "updated": updated.gather(0, latest)[0],
    }
