"""Pictures of what a module has learnt, in TensorBoard and as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_warn

from laaf_lightning.callbacks.slope_statistics import tensorboard_writers
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import image_of


class FigureCallback(Callback):
    """Draw what a module's ``figure_data()`` offers.

    ``figure_data() -> dict[str, Drawable]`` maps a prefix to arrays that know how they are drawn (see
    `laaf_lightning.figures`); a module without the method is left alone. Figures go to every TensorBoard logger
    during fit, after a validation, and at the end of fit and test also to PNG files in ``<log_dir>/figures``.

    Args:
        every_n_steps: fewest optimiser steps between drawings during fit; None draws at the end only.
        dpi: resolution of the PNG files.

    Raises:
        ConfigurationError: if `every_n_steps` or `dpi` is less than 1.
    """

    def __init__(self, every_n_steps: int | None = 1000, dpi: int = 120) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ConfigurationError(f"every_n_steps={every_n_steps} must be >= 1, or null to draw at the end only")
        if dpi < 1:
            raise ConfigurationError(f"dpi={dpi} must be >= 1")
        self.every_n_steps = every_n_steps
        self.dpi = dpi
        self._drawn_at = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start counting steps."""
        self._drawn_at = trainer.global_step

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw for TensorBoard, if it is time."""
        if trainer.sanity_checking or trainer.state.fn != "fit" or self.every_n_steps is None:
            return
        if trainer.global_step - self._drawn_at >= self.every_n_steps:
            self._drawn_at = trainer.global_step
            self._draw(trainer, pl_module, save=False)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw and save."""
        self._draw(trainer, pl_module, save=True)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw and save."""
        self._draw(trainer, pl_module, save=True)

    def _draw(self, trainer: Trainer, module: LightningModule, *, save: bool) -> None:
        """Draw on all ranks (the data may need them), write on rank zero; a failure costs the picture, not the run."""
        if getattr(trainer, "fast_dev_run", False) or not callable(getattr(module, "figure_data", None)):
            return
        folder = Path(trainer.log_dir) / "figures" if save and trainer.log_dir else None
        try:
            for name, figure in _figures(module):
                if not trainer.is_global_zero:
                    continue
                for writer in tensorboard_writers(trainer.loggers):
                    writer.add_image(name, image_of(figure), trainer.global_step, dataformats="HWC")
                if folder is not None:
                    folder.mkdir(parents=True, exist_ok=True)
                    figure.savefig(folder / f"{name.replace('/', '_')}.png", dpi=self.dpi)
        except Exception as error:  # whatever a user's drawing does, the training run is worth more
            rank_zero_warn(f"figures of {type(module).__name__} could not be drawn: {type(error).__name__}: {error}")


def _figures(module: LightningModule) -> Iterator[tuple[str, Any]]:
    """Yield ``prefix/name`` and figure, with the module in eval mode and without gradients."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            data = module.figure_data()  # type: ignore[operator]
    finally:
        for part, mode in modes.items():
            part.training = mode
    for prefix, drawable in data.items():
        for name, figure in drawable.figures().items():
            yield f"{prefix}/{name}", figure
