"""Where pictures go: into every logger that takes some, and into a folder that belongs to the run alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pytorch_lightning import Trainer

from laaf_lightning.callbacks.tensorboard import tensorboard_writers
from laaf_lightning.figures import image_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ShowPicture: TypeAlias = Callable[[str, "Figure", int], object]


def picture_loggers(loggers: Iterable[Any]) -> list[ShowPicture]:
    """Find out how to hand a picture to each logger that takes one.

    Known are TensorBoard, loggers with ``log_image`` (Weights & Biases), MLflow, and experiments with ``log_figure``
    (Comet). Others, such as CSV, are left out.

    Args:
        loggers: the Trainer's loggers.

    Returns:
        Functions of tag, figure and optimiser step.
    """
    found: list[ShowPicture] = []
    for logger in loggers:
        writers = tensorboard_writers([logger])
        if writers:
            found += [partial(_to_tensorboard, writer) for writer in writers]
        elif callable(getattr(logger, "log_image", None)):
            found.append(partial(_by_log_image, logger))
        elif callable(getattr(experiment := getattr(logger, "experiment", None), "log_figure", None)):
            run = getattr(logger, "run_id", None)
            found.append(partial(_to_comet, experiment) if run is None else partial(_to_mlflow, experiment, run))
    return found


def run_directory(trainer: Trainer) -> Path | None:
    """Return a folder that no other run shares.

    Args:
        trainer: with its loggers; all ranks must ask.

    Returns:
        The first logger's own folder, where it has one for each run, else one of the run's name and version in the
        logger's folder, where Lightning keeps its checkpoints too; None without a folder.
    """
    folder = trainer.log_dir  # a broadcast: on all ranks
    if folder is None or not trainer.loggers or getattr(trainer.loggers[0], "log_dir", None):
        return None if folder is None else Path(folder)
    first = trainer.loggers[0]
    version = first.version if isinstance(first.version, str) else f"version_{first.version}"
    return Path(folder, str(first.name or ""), version)


def _to_tensorboard(writer: Any, tag: str, figure: Figure, step: int) -> None:
    writer.add_image(tag, image_of(figure), step, dataformats="HWC")


def _by_log_image(logger: Any, tag: str, figure: Figure, step: int) -> None:
    logger.log_image(key=tag, images=[image_of(figure)], step=step)


def _to_mlflow(client: Any, run: str, tag: str, figure: Figure, step: int) -> None:
    client.log_figure(run, figure, f"figures/{tag}-step{step}.png")


def _to_comet(experiment: Any, tag: str, figure: Figure, step: int) -> None:
    experiment.log_figure(figure_name=tag, figure=figure, step=step)
