from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import Namespace
from pytorch_lightning.loggers.logger import DummyLogger
from pytorch_lightning.utilities import rank_zero_only

from laaf_lightning import ConfigurationError
from laaf_lightning.cli.run.folder import RunFolder
from tests.cli.command import TINY, checkpoint_of, folder_of, laaf

TENSORBOARD = "pytorch_lightning.loggers.TensorBoardLogger"
CSV = "pytorch_lightning.loggers.CSVLogger"
BOTH = json.dumps(
    [
        {"class_path": TENSORBOARD, "init_args": {"save_dir": "runs", "name": "both"}},
        {"class_path": CSV, "init_args": {"save_dir": "csv", "name": "both"}},
    ]
)


class SilentLogger(DummyLogger):
    """A logger of a user's own, which knows a folder and no versions."""

    def __init__(self, save_dir: str = "runs") -> None:
        super().__init__()
        self._folder = save_dir

    @property
    def save_dir(self) -> str:
        return self._folder

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None: ...


def namespace(**values: Any) -> Any:
    return Namespace(**values)  # type: ignore[no-untyped-call]


def settings(class_path: str = TENSORBOARD, save_dir: str = "runs", **init_args: Any) -> Any:
    arguments = namespace(save_dir=save_dir, name="job", version=None)
    arguments.update(namespace(**init_args))
    return namespace(logger=namespace(class_path=class_path, init_args=arguments))


def version(trainer: Any) -> Path:
    arguments = trainer.logger.init_args
    return Path(arguments.save_dir, arguments.name or "", arguments.version)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("class_path", [TENSORBOARD, CSV, "pytorch_lightning.loggers.csv_logs.CSVLogger"])
@pytest.mark.parametrize("name", ["job", None, ""])
def test_the_folder_is_there_and_new_each_time(class_path: str, name: str | None) -> None:
    trainers = [settings(class_path, name=name) for _ in range(5)]
    for trainer in trainers:
        RunFolder().reserve(trainer)
    folders = {version(trainer) for trainer in trainers}
    assert len(folders) == 5
    assert all(folder.is_dir() for folder in folders)


def test_runs_that_start_at_once_get_different_folders() -> None:
    trainers = [settings() for _ in range(16)]
    start = threading.Barrier(len(trainers))

    def reserve(trainer: Any) -> None:
        start.wait()
        RunFolder().reserve(trainer)

    threads = [threading.Thread(target=reserve, args=(trainer,)) for trainer in trainers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({version(trainer) for trainer in trainers}) == len(trainers)


@pytest.mark.parametrize(("asked", "folder"), [("mine", "mine"), (3, "version_3")])
def test_a_version_that_was_asked_for_is_taken_once(asked: str | int, folder: str) -> None:
    first, second = settings(version=asked), settings(version=asked)
    RunFolder().reserve(first)
    RunFolder().reserve(second)
    assert version(first) == Path("runs/job") / folder
    assert version(second) != version(first)


def test_several_loggers_each_get_a_folder() -> None:
    trainer = namespace(logger=[settings().logger, settings(CSV).logger, settings(CSV, "csv").logger])
    RunFolder().reserve(trainer)
    folders = [Path(each.init_args.save_dir) / "job" / each.init_args.version for each in trainer.logger]
    assert len(set(folders)) == 3
    assert all(folder.is_dir() for folder in folders)


def test_home_and_variables_in_the_folder_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RESULTS", str(tmp_path / "results"))
    for save_dir, where in (("~/logs", tmp_path / "logs"), ("$RESULTS/a", tmp_path / "results" / "a")):
        trainer = settings(save_dir=save_dir)
        RunFolder().reserve(trainer)
        assert (where / "job" / trainer.logger.init_args.version).is_dir()


def test_an_address_is_left_to_the_logger(workplace: Path) -> None:
    trainer = settings(save_dir="memory://bucket")
    RunFolder().reserve(trainer)
    assert trainer.logger.init_args.version
    assert not list(workplace.iterdir())


@pytest.mark.parametrize("logger", [True, None])
@pytest.mark.parametrize(("root", "job"), [(None, "runs/laaf"), ("mine", "mine/laaf")])
def test_lightnings_default_logger_becomes_ours(logger: bool | None, root: str | None, job: str) -> None:
    trainer = namespace(logger=logger, default_root_dir=root)
    RunFolder().reserve(trainer)
    assert trainer.logger.class_path == TENSORBOARD
    assert version(trainer).parent == Path(job)
    assert version(trainer).is_dir()


def test_a_run_without_a_logger_has_a_new_root() -> None:
    roots = []
    for _ in range(2):
        trainer = namespace(logger=False, default_root_dir="mine")
        RunFolder().reserve(trainer)
        roots.append(Path(trainer.default_root_dir))
    assert roots[0] != roots[1]
    assert all(root.parent == Path("mine") and root.is_dir() for root in roots)


@pytest.mark.parametrize("given", [namespace(fast_dev_run=True), namespace(fast_dev_run=2)])
def test_a_fast_dev_run_makes_no_folder(given: Any, workplace: Path) -> None:
    given.update(settings())
    RunFolder().reserve(given)
    assert not list(workplace.iterdir())


def test_only_rank_zero_makes_a_folder(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    for trainer in (settings(), namespace(logger=False)):
        RunFolder().reserve(trainer)
    assert not list(workplace.iterdir())


def test_a_folder_that_stayed_empty_is_given_back_and_no_other(workplace: Path) -> None:
    run_folder, empty, used = RunFolder(), settings(), settings()
    run_folder.reserve(empty)
    run_folder.reserve(used)
    (version(used) / "events").touch()
    run_folder.give_back()
    assert not version(empty).exists()
    assert (version(used) / "events").exists()


@pytest.mark.parametrize("obstacle", ["runs", "runs/job"])
def test_a_file_in_the_way_is_an_error_with_a_way_out(obstacle: str) -> None:
    Path(obstacle).parent.mkdir(exist_ok=True)
    Path(obstacle).write_text("")
    with pytest.raises(ConfigurationError, match=r"cannot write the run's folder under 'runs/job': .*--trainer.logger"):
        RunFolder().reserve(settings())
    with pytest.raises(ConfigurationError, match="default_root_dir"):
        RunFolder().reserve(namespace(logger=False, default_root_dir="runs/job"))


def test_a_full_second_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "now")
    for attempt in ("now", *(f"now-{number}" for number in range(1, 1000))):
        (Path("runs/job") / attempt).mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="full of runs of this second"):
        RunFolder().reserve(settings())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "job"),
    [
        ([], "runs/discontinuous_paper"),
        (["--trainer.logger=false"], "runs/laaf"),
        ([f"--trainer.logger={CSV}"], "runs/discontinuous_paper"),
        (["--trainer.logger.version=same"], "runs/discontinuous_paper"),
        ([f"--trainer.logger={BOTH}"], "runs/both"),
    ],
    ids=["tensorboard", "none", "csv", "version", "both"],
)
def test_two_runs_have_two_folders_and_the_second_leaves_the_first_alone(
    arguments: list[str], job: str, workplace: Path
) -> None:
    first = laaf("fit", *TINY, *arguments)
    kept = snapshot(workplace)
    second = laaf("fit", *TINY, *arguments)
    folders = folder_of(first), folder_of(second)
    assert folders[0] != folders[1]
    for run in (first, second):
        assert (folder_of(run) / "config.yaml").is_file()
        assert checkpoint_of(run).is_file()
        name = folder_of(run).name
        assert folder_of(run) == Path(job) / (name if name == "same" else f"layer-n10-recovery/{name}")
    assert {name: content for name, content in snapshot(workplace).items() if name in kept} == kept
    assert not [path for path in workplace.iterdir() if path.is_file()]


@pytest.mark.slow
def test_a_foreign_logger_has_a_folder_beside_it_for_each_run(workplace: Path) -> None:
    arguments = [f"--trainer.logger={SilentLogger.__module__}.SilentLogger"]
    first = laaf("fit", *TINY, *arguments)
    kept = snapshot(workplace)
    second = laaf("fit", *TINY, *arguments)
    folders = {run.run_folder.path for run in (first, second)}
    assert len(folders) == 2
    for folder in folders:
        assert folder is not None
        assert folder.parts[:3] == ("runs", "laaf", "layer-n10-recovery")
        written = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
        files = {"config.yaml", "outcome.json", "checkpoints/last.ckpt", "checkpoints/journal.csv"}
        assert written == {*files, "figures/slope_slopes.png"}
    assert {name: content for name, content in snapshot(workplace).items() if name in kept} == kept


def test_the_label_stands_between_the_job_and_the_date() -> None:
    trainer = settings()
    run_folder = RunFolder()
    run_folder.reserve(trainer, "layer-n10")
    assert run_folder.path == version(trainer)
    assert version(trainer).parent == Path("runs/job/layer-n10")
    run_folder.give_back()
    assert not Path("runs").exists()


def test_folders_that_were_there_are_not_given_back(workplace: Path) -> None:
    (workplace / "runs").mkdir()
    run_folder = RunFolder()
    run_folder.reserve(settings(), "layer-n10")
    run_folder.give_back()
    assert [file.name for file in workplace.iterdir()] == ["runs"]
    assert not list((workplace / "runs").iterdir())


@pytest.mark.parametrize("label", ["", "layer-n10"])
def test_a_root_from_a_saved_configuration_is_not_nested(label: str) -> None:
    trainer = namespace(logger=False, default_root_dir="mine")
    RunFolder().reserve(trainer, label)
    first = Path(trainer.default_root_dir)
    (first / "config.yaml").touch()
    RunFolder().reserve(trainer, label)
    assert Path(trainer.default_root_dir).parent == first.parent


def test_what_a_run_without_a_step_was_told_goes_with_its_folder() -> None:
    run_folder, trainer = RunFolder(), settings()
    run_folder.reserve(trainer)
    for name in ("config.yaml", "hparams.yaml", "events.out.tfevents.1.machine.2.0"):
        (version(trainer) / name).touch()
    run_folder.give_back()
    assert not version(trainer).exists()
