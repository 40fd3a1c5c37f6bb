"""The size of a module's PDE residual at many points, and what resampling asks of modules and DataModules."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from laaf_lightning.callbacks.undisturbed import undisturbed
from laaf_lightning.errors import ConfigurationError


class ResidualData(Protocol):
    """What a DataModule must have for its residual points to be drawn anew, as `CollocationDataModule` has it."""

    def residual_points(self) -> Tensor:
        """Return the residual points of all processes, (N, d), that training uses now."""
        ...

    def sample_residual_points(self, count: int, seed: int) -> Tensor:
        """Draw points.

        Args:
            count: how many.
            seed: the same seed gives the same points.
        """
        ...

    def set_residual_points(self, points: Tensor) -> None:
        """Train on other points from the next step on.

        Args:
            points: those of all processes, (N, d).
        """
        ...


_METHODS = ("residual_points", "sample_residual_points", "set_residual_points")


def residual_data(trainer: Trainer) -> ResidualData:
    """Return the Trainer's DataModule.

    Args:
        trainer: the Trainer that is about to fit.

    Returns:
        The DataModule.

    Raises:
        ConfigurationError: without a DataModule, or for one without the methods of `ResidualData`.
    """
    data: Any = getattr(trainer, "datamodule", None)
    if data is None:
        raise ConfigurationError(
            "ResampleCollocation sets new points through a DataModule, and this fit has only loaders: call "
            "trainer.fit(module, datamodule=laaf_lightning.CollocationDataModule(…)), or leave the callback out"
        )
    missing = [name for name in _METHODS if not callable(getattr(data, name, None))]
    if missing:
        raise ConfigurationError(
            f"ResampleCollocation sets new points through the DataModule, and {type(data).__name__} has no "
            f"{', '.join(missing)}: take laaf_lightning.CollocationDataModule, write the methods, or switch the "
            "callback off (--resample_collocation.enabled false)"
        )
    return data  # type: ignore[no-any-return]


def residual_magnitudes(trainer: Trainer, module: LightningModule, points: Tensor, chunk_size: int) -> Tensor:
    """Compute |r|, for several equations the Euclidean norm over them, in eval mode, leaving no trace.

    Where the terms of the module's loss have units (`term_units`), r is measured in these.

    Args:
        trainer: the Trainer, whose precision holds.
        module: has ``residual(points)``, of shape (N, E) or (N,).
        points: shape (N, d), any dtype and device.
        chunk_size: most points at a time.

    Returns:
        Shape (N,), float64, on the CPU.

    Raises:
        ConfigurationError: if the residual has another shape, or is not finite at a point, which is named.
    """
    like, parts = next(module.parameters()), []
    units = getattr(module, "term_units", None)  # equations of different units are weighed as in the loss
    # Gradients are on, since a residual may differentiate by its points; a chunk's graph goes with the chunk.
    with undisturbed(module, training=False, gradients=True):
        for chunk in points.split(chunk_size):
            with trainer.precision_plugin.forward_context():
                residual: Tensor = module.residual(chunk.to(like))  # type: ignore[operator]
            in_units = residual if units is None else units.of_residual(residual)
            parts.append(in_units.detach().cpu().double())
            if len(residual) != len(chunk):
                raise ConfigurationError(
                    f"residual(points) of {type(module).__name__} has shape {tuple(residual.shape)} at {len(chunk)} "
                    "points: it must return one row for each point"
                )
    magnitudes: Tensor = torch.linalg.vector_norm(torch.cat(parts).reshape(len(points), -1), dim=1)
    bad = (~magnitudes.isfinite()).nonzero().flatten().tolist()
    if bad:
        raise ConfigurationError(
            f"the residual of {type(module).__name__} is not finite at {len(bad)} of {len(points)} candidate points, "
            f"as at {points[bad[0]].tolist()}: training has diverged (take a smaller learning rate), or the equation "
            "is singular there; method 'uniform' asks for no residual"
        )
    return magnitudes
