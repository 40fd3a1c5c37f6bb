from __future__ import annotations

import subprocess
import sys
from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from laaf_lightning.lightning_packages import LightningDataModule, PytorchLightningModule

NAMESPACES = [pytorch_lightning, lightning.pytorch]


class Batches(list[Tensor]):
    """One loader; a plain list would be several."""


class Points(LightningDataModule):
    def train_dataloader(self) -> Batches:
        return Batches(torch.full((4, 2), float(batch)) for batch in range(3))


def module(namespace: Any) -> Any:
    class Tiny(namespace.LightningModule):  # type: ignore[misc]  # the base is a parameter
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 1)
            self.seen: list[float] = []

        def on_after_batch_transfer(self, batch: Tensor, dataloader_idx: int) -> Tensor:
            return batch + 100

        def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            self.seen.append(batch[0, 0].item())
            loss: Tensor = self.linear(batch).square().mean()
            return loss

        def validation_step(self, batch: Tensor, batch_idx: int) -> None:
            raise AssertionError("there is no validation")

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=1e-6)

    return Tiny()


@pytest.mark.filterwarnings("ignore:You have overridden `on_after_batch_transfer`:UserWarning")  # meant here
@pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda namespace: namespace.__name__)
def test_both_trainers_train_on_it_and_leave_the_modules_own_hooks_in_use(namespace: Any) -> None:
    model = module(namespace)
    before = model.linear.weight.detach().clone()
    trainer = namespace.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(model, datamodule=Points())
    assert model.seen == [100, 101, 102]
    assert not torch.equal(model.linear.weight, before)


def test_a_module_tells_its_trainer_from_none_from_the_other_packages_and_from_fabric() -> None:
    settings: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    assert PytorchLightningModule().attached_trainer is None
    for namespace in NAMESPACES:
        trainer, attached = namespace.Trainer(**settings), PytorchLightningModule()
        attached.trainer = trainer
        assert attached.attached_trainer is (trainer if namespace is pytorch_lightning else None)
    fabricated = PytorchLightningModule()
    fabricated.fabric = Fabric(accelerator="cpu", devices=1)
    assert fabricated.attached_trainer is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "order",
    [
        "import lightning.pytorch as L; from laaf_lightning.lightning_packages import LightningDataModule as D",
        pytest.param(
            "from laaf_lightning.lightning_packages import LightningDataModule as D; import lightning.pytorch as L",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "import pytorch_lightning as L; from laaf_lightning.lightning_packages import LightningDataModule as D",
            marks=pytest.mark.long,
        ),
        "from laaf_lightning.lightning_packages import LightningDataModule as D; import pytorch_lightning as L",
    ],
)
def test_import_order_does_not_matter(order: str) -> None:
    program = f"""
{order}
import torch
class Batches(list):
    pass
class Data(D):
    def train_dataloader(self):
        return Batches([torch.ones(2, 2)])
class Model(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)
    def training_step(self, batch):
        return self.linear(batch).sum()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)
model = Model()
before = model.linear.bias.item()
options = dict(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
L.Trainer(max_epochs=1, **options).fit(model, datamodule=Data())
assert abs(before - model.linear.bias.item() - 2.0) < 1e-5
print("trained")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["trained"], done.stderr


@pytest.mark.slow
def test_without_the_package_lightning_the_base_is_pytorch_lightning_alone() -> None:
    program = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "lightning" else find(name, package)
from laaf_lightning.lightning_packages import LightningDataModule as D
import pytorch_lightning
assert issubclass(D, pytorch_lightning.LightningDataModule)
print("lightning.pytorch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr
