from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from laaf_lightning.activations import SCOPES, Scope
from laaf_lightning.data import BurgersDataModule
from laaf_lightning.errors import ConfigurationError
from tests.modules.small import small_classifier, small_pinn, small_regressor

# Deprecations of what is tested; not the tracer's own, which say that a trace may be wrong.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*to_torchscript", "ignore:This property will be removed:DeprecationWarning"),
]


def modules(scope: Scope) -> list[tuple[LightningModule, Tensor, Tensor]]:
    """Each with an example, and an input of another batch size."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(7, 1, 6, 6, generator=generator)
    rows = torch.rand(7, 2, generator=generator)
    return [
        (small_classifier(scope=scope), images[:2], images),
        (small_pinn(scope=scope), rows[:5], rows),
        (small_regressor(scope=scope), rows[:5, :1], rows[:, :1]),
    ]


@pytest.mark.parametrize("scope", SCOPES)
def test_the_torchscript_of_a_module_gives_the_modules_values(scope: Scope) -> None:
    for module, example, inputs in modules(scope):
        module.eval()
        script: Any = module.to_torchscript(method="trace", example_inputs=example)
        assert torch.equal(script(inputs), module(inputs))


def test_a_script_is_refused_with_what_works_instead() -> None:
    for module, _, _ in modules("layer"):
        with pytest.raises(ConfigurationError, match=r"to_torchscript\(method='trace', example_inputs=batch\)"):
            module.to_torchscript()


@pytest.mark.parametrize("scope", ["layer", "neuron"])
def test_tensorboard_gets_the_graph(scope: Scope, tmp_path: Path) -> None:
    module = small_pinn(scope=scope)
    module.example_input_array = torch.rand(5, 2)
    trainer = Trainer(
        accelerator="cpu",
        max_steps=1,
        limit_val_batches=0,
        logger=TensorBoardLogger(tmp_path, log_graph=True),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, BurgersDataModule(num_residual=10, num_initial=4, num_boundary=4))
    (file,) = tmp_path.rglob("events.out.tfevents.*")
    assert b"AdaptiveActivation" in file.read_bytes()
