from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from laaf_lightning.callbacks import FigureCallback
from laaf_lightning.data import BurgersDataModule
from laaf_lightning.figures import Drawable
from laaf_lightning.modules import BurgersPINN
from tests.callbacks.figure_cases import Square, drawing_module
from tests.callbacks.test_figures import EPOCH, images, pictures, trainer


@pytest.mark.parametrize("training_points", [True, False])
def test_training_points_are_asked_for_where_the_module_knows_them(tmp_path: Path, training_points: bool) -> None:
    model, asked = drawing_module(), []

    def figure_data(self: Any, *, training_points: bool = False) -> Mapping[str, Drawable]:
        asked.append(training_points)
        return {"square": Square()}

    type(model).figure_data = figure_data
    trainer(tmp_path, FigureCallback(training_points=training_points), max_epochs=1).fit(model)
    assert asked == [training_points]


def test_module_that_takes_no_training_points_is_drawn_without_and_a_warning_says_so(tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"training_points=True: figure_data\(\) of Drawing takes no training_points, so"
    ):
        trainer(tmp_path, FigureCallback(training_points=True), max_epochs=1).fit(drawing_module())
    assert images(tmp_path / "run")["square/red"] == [EPOCH]


def test_module_that_draws_nothing_is_not_warned_about_training_points(tmp_path: Path) -> None:
    model = drawing_module()
    type(model).figure_data = None
    trainer(tmp_path, FigureCallback(training_points=True), max_epochs=1).fit(model)
    assert pictures(tmp_path) == []


@pytest.mark.long
def test_drawing_training_points_does_not_change_the_training(tmp_path: Path) -> None:
    weights = []
    for training_points in (False, True):
        torch.manual_seed(0)
        model = BurgersPINN(width=4, depth=1, engine="taylor")
        data = BurgersDataModule(num_residual=30, num_initial=4, num_boundary=4, steps_per_epoch=3, batch_size=8)
        drawing = FigureCallback(every_n_steps=1, training_points=training_points)
        trainer(tmp_path / str(training_points), drawing, max_epochs=2).fit(model, datamodule=data)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert torch.equal(*weights)
