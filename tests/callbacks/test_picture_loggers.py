from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.logger import DummyLogger

from laaf_lightning.callbacks import FigureCallback, SlopeRecovery
from laaf_lightning.callbacks.picture_loggers import picture_loggers, run_directory
from laaf_lightning.data import DiscontinuousFunctionDataModule
from laaf_lightning.figures.canvas import new_figure
from laaf_lightning.modules import FunctionRegressor
from tests.trainers import quiet_trainer


class FakeWandb(DummyLogger):
    """Takes pictures as Weights & Biases does."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[str, tuple[int, ...], int]] = []

    def log_image(self, key: str, images: list[Any], step: int) -> None:
        self.taken += [(key, image.shape, step) for image in images]


def test_every_logger_that_takes_pictures_gets_them(tmp_path: Path) -> None:
    taken: list[tuple[Any, ...]] = []
    client = SimpleNamespace(log_figure=lambda run, figure, file: taken.append((run, type(figure).__name__, file)))
    experiment = SimpleNamespace(log_figure=lambda figure_name, figure, step: taken.append((figure_name, step)))
    wandb = FakeWandb()
    loggers = [
        wandb,
        SimpleNamespace(experiment=client, run_id="abc"),
        SimpleNamespace(experiment=experiment),
        CSVLogger(tmp_path),
        SimpleNamespace(),
    ]
    shows = picture_loggers(loggers)
    assert len(shows) == 3
    figure = new_figure(panel=(2, 1))[0]
    for show in shows:
        show("slope/slopes", figure, 7)
    assert wandb.taken == [("slope/slopes", (100, 200, 3), 7)]
    assert taken == [("abc", "Figure", "figures/slope/slopes-step7.png"), ("slope/slopes", 7)]


@pytest.mark.parametrize("version", ["abc", 3])
def test_a_logger_of_many_runs_leaves_each_a_folder(version: str | int, tmp_path: Path) -> None:
    class Shared(DummyLogger):
        save_dir = str(tmp_path)
        name = "project"

    Shared.version = version  # type: ignore[assignment, method-assign]
    trainer = quiet_trainer(max_steps=1, logger=Shared())
    assert run_directory(trainer) == tmp_path / "project" / ("abc" if version == "abc" else "version_3")
    trainer = quiet_trainer(max_steps=1, logger=CSVLogger(tmp_path, version="mine"))
    assert run_directory(trainer) == tmp_path / "lightning_logs" / "mine"


def test_the_slopes_of_a_run_are_drawn_by_its_end(tmp_path: Path) -> None:
    model = FunctionRegressor(1, 1, width=4, depth=2, scope="neuron")
    callbacks = [SlopeRecovery(log_every_n_steps=1), FigureCallback(dpi=30)]
    logger = CSVLogger(tmp_path, version="run")
    trainer = quiet_trainer(*callbacks, max_steps=3, max_epochs=-1, logger=logger, limit_val_batches=0)
    trainer.fit(model, DiscontinuousFunctionDataModule(num_points=10))
    assert (tmp_path / "lightning_logs/run/figures/slope_slopes.png").is_file()
