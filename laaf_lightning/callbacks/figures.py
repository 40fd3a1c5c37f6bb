"""Pictures of what a module has learnt, in TensorBoard and as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_warn

from laaf_lightning.callbacks.picture_loggers import ShowPicture, picture_loggers, run_directory
from laaf_lightning.callbacks.undisturbed import undisturbed
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import Drawable
from laaf_lightning.whole_files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureCallback(Callback):
    """Draw what a module's ``figure_data()`` offers.

    ``figure_data() -> Mapping[str, Drawable]`` maps a prefix to arrays that know how they are drawn (see
    `laaf_lightning.figures`), and nothing while there is nothing to draw; a module without the method is left alone.
    It is called on every rank, in eval mode, without gradients, and its random numbers do not move the training's.
    Other callbacks may have the method too: `SlopeRecovery` offers the slopes of the run so far. Figures go to every
    logger that takes pictures (`picture_loggers`) as ``<prefix>/<name>``: during fit after a validation, and at the end
    of fit, of a validation on its own and of test. At these ends they are also saved, as PNG files
    ``figures/<prefix>_<name>.png`` in the run's folder (`run_directory`); without a logger nothing is saved. A failure
    to draw is a warning and costs the picture, not the run.

    Args:
        every_n_steps: fewest optimiser steps between drawings during fit; None draws at the end only.
        dpi: resolution of the PNG files, dots per inch.
        training_points: whether training points are shown: it is then called as
            ``figure_data(training_points=True)``, of a module whose method takes that argument, as those of `PINN` and
            `FunctionRegressor` do. Of another one the figures are drawn without, and a warning says so.

    Attributes:
        folder: where files go; None for the run's folder as the first logger has it.

    Raises:
        ConfigurationError: if `every_n_steps` or `dpi` is less than 1.

    Example:
        >>> FigureCallback(every_n_steps=500).dpi
        150
    """

    def __init__(self, every_n_steps: int | None = 1000, dpi: int = 150, training_points: bool = False) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ConfigurationError(f"every_n_steps={every_n_steps} must be >= 1, or null to draw at the end only")
        if dpi < 1:
            raise ConfigurationError(f"dpi={dpi} must be >= 1")
        self.every_n_steps = every_n_steps
        self.dpi = dpi
        self.training_points = training_points
        self.folder: Path | None = None
        self._started_at = 0
        self._shown_at: int | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Warn if the module draws, but does not show training points that are asked for."""
        if self.training_points and _draws(pl_module) and not _shows_training_points(pl_module):
            rank_zero_warn(
                f"training_points=True: figure_data() of {type(pl_module).__name__} takes no training_points, so its "
                "figures are drawn without; give it the argument figure_data(self, *, training_points=False)"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count steps from here, which after a resume is not zero."""
        self._started_at = trainer.global_step
        self._shown_at = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw: during fit for TensorBoard and if it is time, on its own always."""
        if trainer.sanity_checking:
            return
        if trainer.state.fn != "fit":
            self._draw(trainer, pl_module, save=True)
            return
        last = self._started_at if self._shown_at is None else self._shown_at
        if self.every_n_steps is not None and trainer.global_step - last >= self.every_n_steps:
            self._shown_at = trainer.global_step
            self._draw(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, and draw for TensorBoard unless this step's figures are there."""
        self._draw(trainer, pl_module, show=trainer.global_step != self._shown_at, save=True)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw and save."""
        self._draw(trainer, pl_module, save=True)

    def _draw(self, trainer: Trainer, module: LightningModule, *, show: bool = True, save: bool = False) -> None:
        """Collect the data on all ranks (they may need each other), draw and write on rank zero."""
        if not trainer.loggers or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        folder = run_directory(trainer) if save else None  # on all ranks
        folder = self.folder if save and self.folder is not None else folder
        data: dict[str, Drawable] = {}
        sources: list[Any] = [module, *trainer.callbacks]  # type: ignore[attr-defined]
        for source in sources:
            if not _draws(source):
                continue
            with _warning_instead_of_error(f"figure_data() of {type(source).__name__}"):
                data.update(_figure_data(source, module, self.training_points))
        if not trainer.is_global_zero or not data:
            return
        loggers: list[ShowPicture] = picture_loggers(trainer.loggers) if show else []
        for prefix, drawable in data.items():
            with _warning_instead_of_error(f"drawing {prefix!r}"):
                figures = drawable.figures() if loggers or folder else {}
                for name, figure in figures.items():
                    for show_picture in loggers:
                        show_picture(f"{prefix}/{name}", figure, trainer.global_step)
                if folder:
                    _save(folder / "figures", prefix, figures, self.dpi)


def _save(folder: Path, prefix: str, figures: dict[str, Figure], dpi: int) -> None:
    for name, figure in figures.items():
        file = folder / f"{prefix}_{name}.png".replace("/", "_")
        write_whole(file, partial(figure.savefig, format="png", dpi=dpi), "figure")


def _draws(source: object) -> bool:
    return callable(getattr(source, "figure_data", None))


def _shows_training_points(source: Any) -> bool:
    return "training_points" in signature(source.figure_data).parameters


def _figure_data(source: Any, module: LightningModule, training_points: bool) -> Mapping[str, Drawable]:
    asked = {"training_points": True} if training_points and _shows_training_points(source) else {}
    with undisturbed(module, training=False):
        data: Mapping[str, Drawable] = source.figure_data(**asked)
        return data


@contextmanager
def _warning_instead_of_error(what: str) -> Iterator[None]:
    """Warn about any exception: hours of training are worth more than a picture."""
    try:
        yield
    except Exception as error:
        rank_zero_warn(f"no figures: {what} failed with {type(error).__name__}: {error}")
