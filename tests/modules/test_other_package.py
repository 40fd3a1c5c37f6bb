from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import AdaptiveModule
from tests.modules.small import regression_data, small_classifier, small_pinn, small_regressor


@pytest.mark.parametrize("run", ["fit", "validate", "test", "predict"])
@pytest.mark.parametrize("make", [small_regressor, small_pinn, small_classifier])
def test_the_other_packages_trainer_gets_a_sentence_that_says_what_to_import(
    make: Callable[[], AdaptiveModule], run: str
) -> None:
    trainer = lightning.pytorch.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=1)
    sentence = (
        rf"^{type(make()).__name__} is a module of pytorch_lightning, and this Trainer comes from lightning\.pytorch: "
        "use 'from pytorch_lightning import Trainer'$"
    )
    module: Any = make()
    with pytest.raises(ConfigurationError, match=sentence):
        getattr(trainer, run)(module, datamodule=regression_data())


def test_modules_are_modules_of_pytorch_lightning() -> None:
    assert isinstance(small_regressor(), pytorch_lightning.LightningModule)


def test_copies_and_pickles_compute_the_same() -> None:
    model, x = small_regressor(scope="neuron"), torch.rand(5, 1)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(x), model(x))
        assert twin.hparams == model.hparams


@pytest.mark.long
@pytest.mark.slow
def test_without_the_package_lightning_the_base_is_pytorch_lightning_alone() -> None:
    program = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "lightning" else find(name, package)
import pytorch_lightning
from laaf_lightning.modules import FunctionRegressor
assert issubclass(FunctionRegressor, pytorch_lightning.LightningModule)
print("lightning.pytorch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr
