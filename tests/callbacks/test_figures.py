from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch
import numpy as np
import pytest
import pytorch_lightning
import torch
from matplotlib.image import imread
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from laaf_lightning.callbacks import FigureCallback
from laaf_lightning.data import DiscontinuousFunctionDataModule
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import Drawable
from laaf_lightning.modules import FunctionRegressor
from tests.callbacks.figure_cases import Square, drawing_module
from tests.ranks import run_on_two_ranks
from tests.trainers import quiet_trainer

EPOCH = 6
NAMESPACES = [pytorch_lightning, lightning.pytorch]
each_namespace = pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda namespace: namespace.__name__)


def trainer(folder: Path, *callbacks: Any, namespace: Any = pytorch_lightning, **settings: Any) -> Any:
    if "logger" not in settings:
        settings["logger"] = namespace.loggers.TensorBoardLogger(folder, name=None, version="run")
    return quiet_trainer(*callbacks, namespace=namespace, **{"max_epochs": 3, **settings})


def images(folder: Path) -> dict[str, list[int]]:
    """Read the steps of the images back from the event files, by tag."""
    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    return {tag: [image.step for image in events.Images(tag)] for tag in events.Tags()["images"]}


def pictures(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


@each_namespace
def test_fit_draws_after_validations_at_least_so_many_steps_apart_and_at_the_end(
    tmp_path: Path, namespace: Any
) -> None:
    model = drawing_module(namespace.LightningModule)
    trainer(tmp_path, FigureCallback(every_n_steps=10), namespace=namespace, max_epochs=5).fit(model)
    steps = [2 * EPOCH, 4 * EPOCH, 5 * EPOCH]
    assert images(tmp_path / "run") == {"square/red": steps, "square/blue": steps}
    assert pictures(tmp_path) == ["run/figures/square_blue.png", "run/figures/square_red.png"]


def test_last_drawing_of_fit_is_not_repeated_but_saved(tmp_path: Path) -> None:
    trainer(tmp_path, FigureCallback(every_n_steps=1)).fit(drawing_module())
    assert images(tmp_path / "run")["square/red"] == [EPOCH, 2 * EPOCH, 3 * EPOCH]
    assert len(pictures(tmp_path)) == 2


def test_null_draws_at_the_end_only(tmp_path: Path) -> None:
    model = drawing_module()
    trainer(tmp_path, FigureCallback(every_n_steps=None)).fit(model)
    assert images(tmp_path / "run")["square/red"] == [3 * EPOCH]
    assert len(model.asked) == 1


def test_fit_without_validation_draws_at_the_end(tmp_path: Path) -> None:
    trainer(tmp_path, FigureCallback(every_n_steps=1), limit_val_batches=0).fit(drawing_module())
    assert images(tmp_path / "run")["square/red"] == [3 * EPOCH]


def test_resumed_fit_counts_its_steps_from_where_it_starts(tmp_path: Path) -> None:
    first = trainer(tmp_path / "first", FigureCallback(), max_epochs=2, logger=False)
    first.fit(drawing_module())
    first.save_checkpoint(tmp_path / "last.ckpt")
    resumed = trainer(tmp_path, FigureCallback(every_n_steps=10), max_epochs=5)
    resumed.fit(drawing_module(), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert images(tmp_path / "run")["square/red"] == [4 * EPOCH, 5 * EPOCH]


@pytest.mark.parametrize("stage", ["validate", "test"])
@each_namespace
def test_evaluation_on_its_own_draws_and_saves(tmp_path: Path, namespace: Any, stage: str) -> None:
    runner = trainer(tmp_path, FigureCallback(), namespace=namespace)
    getattr(runner, stage)(drawing_module(namespace.LightningModule), verbose=False)
    assert images(tmp_path / "run")["square/red"] == [0]
    assert len(pictures(tmp_path)) == 2


def test_images_and_files_show_the_figures(tmp_path: Path) -> None:
    trainer(tmp_path, FigureCallback(dpi=200)).test(drawing_module(), verbose=False)
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    (event,) = events.Images("square/red")
    assert (event.height, event.width) == (20, 40)
    (tmp_path / "event.png").write_bytes(event.encoded_image_string)
    for path, size in ((tmp_path / "event.png", (20, 40)), (tmp_path / "run/figures/square_red.png", (40, 80))):
        pixels = np.asarray(imread(path))
        assert pixels.shape[:2] == size
        assert np.all(pixels[..., :3] == [1, 0, 0])


def test_training_is_the_same_with_and_without_figures(tmp_path: Path) -> None:
    weights, modes = [], []
    for callbacks in ([], [FigureCallback(every_n_steps=1)]):
        torch.manual_seed(0)
        model = drawing_module()
        trainer(tmp_path, *callbacks).fit(model)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
        modes.append([part.training for part in model.modules()])
    assert torch.equal(*weights)
    assert modes[0] == modes[1]
    assert len(model.asked) == 4


def test_data_are_asked_for_in_eval_mode_without_gradients_and_modes_come_back(tmp_path: Path) -> None:
    model = drawing_module()
    trainer(tmp_path, FigureCallback(every_n_steps=1), max_epochs=1).fit(model)
    assert model.asked == [(EPOCH, False, False), (EPOCH, False, False)]
    assert [name for name, part in model.named_modules() if not part.training] == ["network.1"]


def test_csv_logger_gets_files_and_no_images(tmp_path: Path) -> None:
    trainer(tmp_path, FigureCallback(), logger=CSVLogger(tmp_path, name=None, version="csv")).fit(drawing_module())
    assert pictures(tmp_path) == ["csv/figures/square_blue.png", "csv/figures/square_red.png"]


def test_every_tensorboard_logger_gets_the_images_and_the_first_logger_the_files(tmp_path: Path) -> None:
    loggers = [
        CSVLogger(tmp_path, name=None, version="csv"),
        TensorBoardLogger(tmp_path, name=None, version="one"),
        TensorBoardLogger(tmp_path, name=None, version="two"),
    ]
    trainer(tmp_path, FigureCallback(), logger=loggers).fit(drawing_module())
    assert images(tmp_path / "one") == images(tmp_path / "two") == {"square/red": [18], "square/blue": [18]}
    assert pictures(tmp_path) == ["csv/figures/square_blue.png", "csv/figures/square_red.png"]


@pytest.mark.parametrize("settings", [{"logger": False}, {"fast_dev_run": True, "logger": True}], ids=["logger", "dev"])
def test_without_a_logger_and_in_a_fast_dev_run_nothing_is_asked_or_written(
    tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = drawing_module()
    trainer(tmp_path, FigureCallback(every_n_steps=1), **settings).fit(model)
    assert model.asked == []
    assert list(tmp_path.rglob("*")) == []


def test_module_without_figure_data_is_left_alone(tmp_path: Path) -> None:
    model = drawing_module()
    type(model).figure_data = None
    trainer(tmp_path, FigureCallback(every_n_steps=1)).fit(model)
    assert images(tmp_path / "run") == {}
    assert pictures(tmp_path) == []


class Broken:
    def figures(self) -> dict[str, Any]:
        raise ZeroDivisionError("no pen")


def fitted_with(data: Any, folder: Path) -> Trainer:
    model = drawing_module()
    type(model).figure_data = lambda _: data() if callable(data) else data
    runner: Trainer = trainer(folder, FigureCallback(every_n_steps=None))
    runner.fit(model)
    return runner


def raise_an_error() -> Mapping[str, Drawable]:
    raise RuntimeError("no data")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (raise_an_error, r"no figures: figure_data\(\) of Drawing failed with RuntimeError: no data"),
        (None, r"no figures: figure_data\(\) of Drawing failed with TypeError"),
        ({"broken": Broken()}, "no figures: drawing 'broken' failed with ZeroDivisionError: no pen"),
    ],
)
def test_failure_to_draw_is_a_warning_and_not_a_lost_run(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        runner = fitted_with(data, tmp_path)
    assert runner.state.status == "finished"
    assert runner.global_step == 3 * EPOCH


def test_one_broken_picture_leaves_the_others(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="drawing 'broken' failed"):
        fitted_with({"broken": Broken(), "square": Square()}, tmp_path)
    assert images(tmp_path / "run")["square/red"] == [3 * EPOCH]
    assert len(pictures(tmp_path)) == 2


def test_modes_come_back_after_a_failure(tmp_path: Path) -> None:
    model = drawing_module()
    type(model).figure_data = lambda _: raise_an_error()
    with pytest.warns(UserWarning, match="no data"):
        trainer(tmp_path, FigureCallback(every_n_steps=1)).fit(model)
    assert [name for name, part in model.named_modules() if not part.training] == ["network.1"]


def test_prefix_with_a_slash_is_one_file_in_the_folder(tmp_path: Path) -> None:
    fitted_with({"group/square": Square()}, tmp_path)
    assert set(images(tmp_path / "run")) == {"group/square/red", "group/square/blue"}
    assert pictures(tmp_path) == ["run/figures/group_square_blue.png", "run/figures/group_square_red.png"]


def test_regressor_gets_its_three_pictures(tmp_path: Path) -> None:
    model = FunctionRegressor(width=4, depth=1)
    data = DiscontinuousFunctionDataModule(num_test_points=50, steps_per_epoch=2)
    trainer(tmp_path, FigureCallback(), max_epochs=1).fit(model, datamodule=data)
    assert images(tmp_path / "run") == {f"regression/{name}": [2] for name in ("solution", "error", "spectrum")}
    assert pictures(tmp_path) == [f"run/figures/regression_{name}.png" for name in ("error", "solution", "spectrum")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every_n_steps": 0}, "every_n_steps=0 must be >= 1, or null to draw at the end only"),
        ({"dpi": 0}, "dpi=0 must be >= 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FigureCallback(**settings)


@pytest.mark.long
@pytest.mark.slow
def test_two_ranks_are_both_asked_and_one_writes() -> None:
    case = "tests.callbacks.figure_cases:files_of_two_ranks"
    first, second = (rank[case] for rank in run_on_two_ranks([case]))
    assert first == second == {"files": ["square_blue.png", "square_red.png"], "asked": 1}


def test_every_module_is_of_its_own_lightning_package() -> None:
    assert isinstance(drawing_module(), LightningModule)
    assert not isinstance(drawing_module(lightning.pytorch.LightningModule), LightningModule)
