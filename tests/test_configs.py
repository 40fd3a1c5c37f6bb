"""Each configuration of the paper's experiments runs through the command line and does what the paper says."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from laaf_lightning import Burgers, named_slopes
from laaf_lightning.cli import LAAFCommandLine
from laaf_lightning.data.images.root import ROOT_VARIABLE
from tests.cli.command import CONFIGS, checkpoint_of, folder_of, laaf, scalars
from tests.data.images.published import WRITERS

pytestmark = pytest.mark.slow

STEPS = 3


@dataclass(frozen=True)
class Expected:
    """What the paper has for a job: the batch's shapes, layers with slopes, n, optimiser, length of a run."""

    shapes: tuple[tuple[int, ...], ...]
    layers: int
    n: float
    optimizer: str
    lr: float
    limits: tuple[int, int]
    arguments: tuple[str, ...] = ()


SETS = ("--data.verify=false", "--data.download=false")
FEW = (*SETS, "--data.batch_size=8")  # a ResNet takes seconds a batch of 64
GREY, COLOUR = ((64, 1, 28, 28), (64,)), ((8, 3, 32, 32), (8,))
EXPECTED = {
    "burgers_paper": Expected(((10_000, 2), (400, 2), (400, 1)), 6, 10, "Adam", 8e-4, (2000, -1)),
    "discontinuous_paper": Expected(((300, 1), (300, 1)), 4, 10, "Adam", 2e-4, (15_000, -1)),
    "semeion": Expected(((64, 1, 16, 16), (64,)), 3, 1, "SGD", 0.01, (-1, 50)),
    "mnist": Expected(GREY, 3, 1, "SGD", 0.01, (-1, 50), SETS),
    "kmnist": Expected(GREY, 3, 1, "SGD", 0.01, (-1, 50), SETS),
    "fashion_mnist": Expected(GREY, 3, 1, "SGD", 0.01, (-1, 50), SETS),
    "cifar10": Expected(COLOUR, 17, 1, "SGD", 0.01, (-1, 50), FEW),
    "cifar100": Expected(COLOUR, 17, 1, "SGD", 0.01, (-1, 50), FEW),
    "svhn": Expected(COLOUR, 17, 1, "SGD", 0.01, (-1, 50), FEW),
}
OVERLAY = "augmented"
ALONE = sorted(EXPECTED)  # all others: tests/test_pde_configs.py
CASES: list[tuple[str, ...]] = [(name,) for name in ALONE]
CASES += [(name, OVERLAY) for name in ALONE if EXPECTED[name].optimizer == "SGD"]
SHORT = {("burgers_paper",), ("discontinuous_paper",), ("semeion",), ("semeion", OVERLAY), ("mnist",), ("cifar10",)}
PARAMS = [pytest.param(case, marks=() if case in SHORT else pytest.mark.long, id="+".join(case)) for case in CASES]


@dataclass(frozen=True)
class Job:
    """A configuration's run of three steps, and the folder in which it ran."""

    configs: tuple[str, ...]
    run: LAAFCommandLine
    folder: Path
    machine: Path

    @property
    def name(self) -> str:
        return self.configs[0]

    @property
    def is_augmented(self) -> bool:
        return OVERLAY in self.configs

    @property
    def arguments(self) -> list[str]:
        return [f"--config={CONFIGS / name}.yaml" for name in self.configs]

    @property
    def expected(self) -> Expected:
        return EXPECTED[self.name]


@pytest.fixture(scope="module", params=PARAMS)
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = Job(request.param, cast("LAAFCommandLine", None), Path(), tmp_path_factory.mktemp("machine"))
    if job.name in WRITERS:
        WRITERS[job.name](job.machine / "sets", (300, 20))
    (job.machine / "work").mkdir()
    quick = (f"--trainer.max_steps={STEPS}", "--trainer.log_every_n_steps=1", "--trainer.check_val_every_n_epoch=1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ROOT_VARIABLE, str(job.machine / "sets"))
        patch.chdir(job.machine / "work")
        run = laaf("fit", *job.arguments, *quick, "--trainer.limit_val_batches=0", *job.expected.arguments)
        assert folder_of(run).parts[:2] == ("runs", job.name)
        return replace(job, run=run, folder=job.machine / "work" / folder_of(run))


def test_its_batch_has_the_papers_size(job: Job) -> None:
    batch = next(iter(job.run.datamodule.train_dataloader()))
    shapes = tuple(tuple(part.shape) for part in batch if isinstance(part, torch.Tensor))
    assert shapes == job.expected.shapes
    assert batch[0].dtype == torch.float32


def test_it_states_the_papers_settings(job: Job) -> None:
    (optimizer,) = job.run.trainer.optimizers
    assert type(optimizer).__name__ == job.expected.optimizer
    # MultiStepLR and the constant rate alike: nothing has fallen after three steps.
    assert {group["lr"] for group in optimizer.param_groups} == {job.expected.lr}
    config = job.run.parser.parse_args(["fit", *job.arguments]).fit
    limits = (-1, 200) if job.is_augmented else job.expected.limits
    assert (config.trainer.max_steps, config.trainer.max_epochs) == limits
    assert (config.model.init_args.scope, config.model.init_args.n) == ("layer", job.expected.n)
    assert config.slope_recovery.weight == 1.0
    assert (config.slope_recovery.operator, config.slope_recovery.reduction) == ("exp", "mean")
    if job.expected.optimizer == "SGD":
        assert optimizer.param_groups[0]["momentum"] == 0.9
        assert optimizer.param_groups[0]["weight_decay"] == 0
        scheduler: Any = job.run.trainer.lr_scheduler_configs[0].scheduler
        assert (list(scheduler.milestones), scheduler.gamma) == ([9, 99] if job.is_augmented else [9], 0.1)
        assert config.epoch_train_loss.enabled
        assert config.data.init_args.batch_size == 64


def test_its_slopes_move_and_are_logged_as_they_are(job: Job) -> None:
    slopes = {name: slope.item() for name, slope in named_slopes(job.run.model)}
    logged = scalars(job.folder)
    assert job.run.trainer.global_step == STEPS
    assert len(slopes) == job.expected.layers
    for name, slope in slopes.items():
        assert slope != 1.0
        assert list(logged[f"slope/{name}/mean"]) == list(range(STEPS))
        assert logged[f"slope/{name}/mean"][STEPS - 1] == pytest.approx(slope, rel=1e-6)
    a = np.array(list(slopes.values())) / job.expected.n
    assert logged["slope_recovery"][STEPS - 1] == pytest.approx(1 / np.exp(a).mean(), rel=1e-6)


def test_its_objective_is_the_loss_plus_slope_recovery(job: Job) -> None:
    logged = scalars(job.folder)
    loss, recovery = logged["train/loss"], logged["slope_recovery"]
    before = [math.exp(-1 / job.expected.n), *(recovery[step] for step in range(STEPS - 1))]
    for step in range(STEPS):
        assert logged["slope_recovery_objective"][step] == pytest.approx(loss[step] + before[step], rel=1e-5)


def test_its_facts_and_problem_are_shared_by_model_and_data(job: Job) -> None:
    model, data = job.run.model, job.run.datamodule
    if job.name == "burgers_paper":
        assert model.problem == data.problem == Burgers()
    if job.expected.optimizer == "SGD":
        assert (model.num_classes, model.in_channels) == (data.num_classes, job.expected.shapes[0][1])
        assert model.image_size == data.image_size == job.expected.shapes[0][-1]
        assert model.num_classes == (100 if job.name == "cifar100" else 10)


def test_its_images_are_augmented_and_normalised_as_the_paper_has_it(job: Job) -> None:
    if job.expected.optimizer != "SGD":
        return
    data = job.run.datamodule
    assert data.augment == job.is_augmented
    training, test = data.train_dataloader(), next(iter(data.test_dataloader()))[0]
    training.set_epoch(0)
    images, again = (next(iter(training))[0] for _ in range(2))
    assert torch.equal(images, again)
    plain = training.data.images[training.order()[: len(images)]].float() / 255
    normalized = job.configs == ("cifar10", OVERLAY)
    assert (test.min() < 0) == normalized
    assert torch.equal(images, plain) == (not job.is_augmented)


def test_an_image_job_ends_with_a_test(job: Job) -> None:
    tested = "test/accuracy" in scalars(job.folder)
    assert tested == (job.expected.optimizer == "SGD")
    drawn = {file.stem for file in (job.folder / "figures").glob("*.png")}
    assert ("classification_confusion" in drawn) == tested


def test_a_pdes_solution_is_drawn(job: Job) -> None:
    drawn = {file.stem for file in (job.folder / "figures").glob("*.png")}
    assert (drawn >= {"burgers_slices", "burgers_spectrum", "burgers_error"}) == (job.name == "burgers_paper")


def test_nothing_that_it_saves_holds_a_path_of_this_machine(job: Job) -> None:
    files = [job.folder / "config.yaml", job.folder / "hparams.yaml", *job.folder.glob("checkpoints/*.ckpt")]
    assert len(files) == 3
    for file in files:
        assert str(job.machine).encode() not in file.read_bytes(), file
        assert str(Path.home()).encode() not in file.read_bytes(), file


def test_its_saved_configuration_says_the_same_again(job: Job) -> None:
    parser = job.run.parser
    saved = parser.parse_args(["fit", f"--config={job.folder / 'config.yaml'}"]).fit
    for part in ("model", "slope_recovery", "figures", "seed_everything"):
        assert saved[part] == job.run.config.fit[part], part


@pytest.mark.skipif(
    not os.environ.get(ROOT_VARIABLE) or not (Path(os.environ[ROOT_VARIABLE]) / "FashionMNIST" / "raw").is_dir(),
    reason=f"Fashion-MNIST is not in the folder that {ROOT_VARIABLE} names",
)
def test_fashion_mnist_trains_on_the_real_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(Path(os.environ[ROOT_VARIABLE]).resolve()))
    monkeypatch.chdir(tmp_path)
    arguments = ("--data.download=false", "--trainer.max_steps=40", "--trainer.max_epochs=1")
    run = laaf("fit", f"--config={CONFIGS / 'fashion_mnist.yaml'}", *arguments)
    assert len(run.datamodule.train_dataloader()) == 938
    test = ("--trainer.limit_test_batches=20", f"--ckpt_path={checkpoint_of(run)}")
    laaf("test", f"--config={folder_of(run) / 'config.yaml'}", *test)
    accuracy = float(capsys.readouterr().out.splitlines()[-1].split("accuracy ")[1].split("%")[0])
    assert accuracy > 30  # chance is 10
    assert run.trainer.log_dir is not None
    assert str(os.environ[ROOT_VARIABLE]) not in (folder_of(run) / "config.yaml").read_text()
