"""A project of its own (``external_project/``), which uses public names alone: from Python, by YAML, and installed."""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import laaf_lightning as laaf
from tests.cli.command import checkpoint_of
from tests.cli.command import laaf as run_laaf
from tests.trainers import quiet_trainer

PROJECT = Path(__file__).parent / "external_project"
SOURCES = sorted((PROJECT / "src" / "ringing").glob("*.py"))


@pytest.fixture
def ringing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's sources on the path, and a working directory of its own."""
    monkeypatch.syspath_prepend(PROJECT / "src")
    monkeypatch.chdir(tmp_path)
    return PROJECT / "src" / "ringing"


def test_it_uses_public_names_alone() -> None:
    names = set()
    for source in SOURCES:
        tree = ast.parse(source.read_text())
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {name for name in imported if name.startswith("laaf_lightning.")}
        names |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "laaf"
        }
    assert len(names) >= 8
    assert names <= set(laaf.__all__)


def test_its_own_module_trains_in_python_with_both_callbacks_and_is_loaded_again(ringing: Path) -> None:
    tones = importlib.import_module("ringing.tones")
    module = tones.ToneNetwork()
    callbacks = laaf.AdaptActivations("channel", n=2, slope_lr=0.05), laaf.SlopeRecovery()
    trainer = quiet_trainer(*callbacks, max_epochs=2)
    trainer.fit(module, tones.Tones())
    trainer.save_checkpoint("tones.ckpt")
    assert [tuple(slope.shape) for _, slope in laaf.named_slopes(module)] == [(8, 1), (8, 1)]
    loaded = laaf.load_adapted(tones.ToneNetwork, "tones.ckpt")
    tone = torch.rand(2, 1, 32)
    assert torch.equal(loaded.eval()(tone), module.eval()(tone))


def test_its_classifier_trains(ringing: Path) -> None:
    classifier = importlib.import_module("ringing.pictures").PictureClassifier
    module = classifier(num_classes=3, in_channels=1, image_size=4, scope="global", n=5)
    images = [(torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 2, 0]))] * 2
    trainer = quiet_trainer(laaf.SlopeRecovery(), max_epochs=1, limit_val_batches=0)
    batches: Any = torch.utils.data.DataLoader(images, batch_size=None)  # type: ignore[arg-type]
    trainer.fit(module, batches, batches)
    trainer.save_checkpoint("pictures.ckpt")
    twin = classifier.load_from_checkpoint("pictures.ckpt", weights_only=True)
    assert [name for name, slope in laaf.named_slopes(twin) if slope.item() != 1] == ["global"]
    assert torch.equal(twin(images[0][0]), module(images[0][0]))


@pytest.mark.parametrize("job", ["tones", "string"])
def test_its_yaml_runs(ringing: Path, job: str) -> None:
    run = run_laaf("fit", f"--config={ringing / job}.yaml")
    assert run.trainer.global_step == {"tones": 6, "string": 3}[job]
    slopes = dict(laaf.named_slopes(run.model))
    assert len(slopes) == 2
    assert all((slope != 1).any() for slope in slopes.values())
    kind: Any = type(run.model)
    if job == "tones":
        loaded = laaf.load_adapted(kind, checkpoint_of(run))
    else:
        problem = importlib.import_module("ringing.string").VibratingString()
        loaded = kind.load_from_checkpoint(checkpoint_of(run), problem=problem)
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), run.model.parameters(), strict=True))


@pytest.mark.long
@pytest.mark.slow
def test_installed_its_yaml_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    copied = tmp_path / "ringing"  # setuptools builds in the sources' folder
    shutil.copytree(PROJECT, copied)
    subprocess.run([*install, "--target", str(site), str(copied)], check=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(Path(laaf.__file__).parents[1])])}
    job = [sys.executable, "-m", "laaf_lightning", "fit", "--config", str(site / "ringing" / "tones.yaml")]
    quiet = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
    ended = subprocess.run([*job, *quiet], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (checkpoint,) = (tmp_path / "runs").glob("**/last.ckpt")
    slopes = {key for key in torch.load(checkpoint, weights_only=True)["state_dict"] if key.endswith(".a")}
    assert slopes == {"adaptive_calls.tanh_1.a", "adaptive_calls.relu_1.a"}
