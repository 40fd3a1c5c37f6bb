from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from torch import Tensor, nn

from laaf_lightning.data.images.base import ImageDataModule, Split
from laaf_lightning.data.images.formats import LabeledImages
from laaf_lightning.errors import ConfigurationError
from tests.trainers import quiet_trainer


class Numbered(ImageDataModule):
    """100 training images and 30 test images of one pixel whose value is their number; the label is its parity."""

    num_classes: ClassVar[int] = 2
    in_channels: ClassVar[int] = 1
    image_size: ClassVar[int] = 1
    class_names: ClassVar[tuple[str, ...]] = ("even", "odd")

    def prepare(self, root: Path) -> None:
        self.prepared = root

    def read(self, root: Path, split: Split) -> LabeledImages:
        numbers = torch.arange(100) if split == "train" else torch.arange(100, 130)
        return LabeledImages(numbers.to(torch.uint8).reshape(-1, 1, 1, 1), numbers % 2, f"{root}/{split}")


class Recorder(pytorch_lightning.LightningModule):
    """Writes down which images each stage saw, per epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 2)
        self.seen: dict[str, list[list[int]]] = {"train": [], "val": [], "test": [], "predict": []}
        self.dtypes: set[torch.dtype] = set()

    def record(self, stage: str, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        numbers = (images.flatten() * 255).round().long()
        assert torch.equal(numbers % 2, labels)
        self.seen[stage].append(numbers.tolist())
        self.dtypes.add(images.dtype)
        logits: Tensor = self.linear(images.flatten(1))
        return nn.functional.cross_entropy(logits, labels)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self.record("train", batch)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.record("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.record("test", batch)

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self.record("predict", batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def flat(self, stage: str) -> list[int]:
        return [number for batch in self.seen[stage] for number in batch]


def trainer(tmp_path: Path, namespace: Any = pytorch_lightning, **options: Any) -> Any:
    return quiet_trainer(namespace=namespace, **{"default_root_dir": tmp_path, "max_epochs": 1, **options})


def epochs(model: Recorder, length: int = 100) -> list[list[int]]:
    flat = model.flat("train")
    return [flat[start : start + length] for start in range(0, len(flat), length)]


def test_fit_sees_each_training_image_once_per_epoch_and_nothing_else(tmp_path: Path) -> None:
    model = Recorder()
    trainer(tmp_path, max_epochs=3, enable_progress_bar=True).fit(model, datamodule=Numbered(batch_size=16))
    assert [sorted(epoch) for epoch in epochs(model)] == [list(range(100))] * 3
    assert epochs(model)[0] != epochs(model)[1] != epochs(model)[2]
    assert model.seen["val"] == model.seen["test"] == []


def test_epochs_order_is_the_loaders_own_for_that_epoch(tmp_path: Path) -> None:
    model, data = Recorder(), Numbered(batch_size=16, seed=5)
    trainer(tmp_path, max_epochs=2).fit(model, datamodule=data)
    loader = data.train_dataloader()
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        assert epochs(model)[epoch] == loader.order().tolist()


def test_resumed_fit_goes_on_with_the_order_of_its_epoch(tmp_path: Path) -> None:
    whole, first, rest = Recorder(), Recorder(), Recorder()
    trainer(tmp_path, max_epochs=3).fit(whole, datamodule=Numbered(seed=1))
    begun = trainer(tmp_path, max_epochs=1)
    begun.fit(first, datamodule=Numbered(seed=1))
    begun.save_checkpoint(tmp_path / "first.ckpt")
    trainer(tmp_path, max_epochs=3).fit(rest, datamodule=Numbered(seed=1), ckpt_path=tmp_path / "first.ckpt")
    assert epochs(first) + epochs(rest) == epochs(whole)


def test_test_and_predict_see_the_test_images_in_order(tmp_path: Path) -> None:
    model = Recorder()
    running = trainer(tmp_path)
    running.test(model, datamodule=Numbered(batch_size=8), verbose=False)
    running.predict(model, datamodule=Numbered(batch_size=8))
    assert model.flat("test") == model.flat("predict") == list(range(100, 130))
    assert model.seen["train"] == []


@pytest.mark.parametrize(("share", "count"), [(0.1, 10), (0.125, 12), (7, 7)])
def test_val_split_sets_training_images_apart_for_good(tmp_path: Path, share: int | float, count: int) -> None:
    model = Recorder()
    trainer(tmp_path, max_epochs=2, num_sanity_val_steps=0).fit(model, datamodule=Numbered(val_split=share))
    held_out = model.flat("val")[:count]
    assert model.flat("val") == held_out * 2
    assert len(set(held_out)) == count
    assert sorted({*model.flat("train"), *held_out}) == list(range(100))
    assert len(model.flat("train")) == 2 * (100 - count)
    again = Recorder()
    trainer(tmp_path).validate(again, datamodule=Numbered(val_split=share), verbose=False)
    assert again.flat("val") == held_out


def test_val_split_depends_on_the_seed() -> None:
    parts = []
    for seed in (0, 1):
        data = Numbered(val_split=10, seed=seed)
        data.setup("fit")
        loader = data.val_dataloader()
        assert not isinstance(loader, list)
        parts.append(loader.data.images.flatten().tolist())
    assert parts[0] != parts[1]


@pytest.mark.parametrize("namespace", [pytorch_lightning, lightning.pytorch], ids=lambda space: space.__name__)
def test_validate_without_val_split_is_refused(tmp_path: Path, namespace: Any) -> None:
    model = Recorder() if namespace is pytorch_lightning else BoringModel()
    with pytest.raises(ConfigurationError, match=r"Numbered has nothing to validate on, since val_split is 0: set val"):
        trainer(tmp_path, namespace).validate(model, datamodule=Numbered())


def test_overfit_batches_repeats_the_same_batches(tmp_path: Path) -> None:
    model = Recorder()
    trainer(tmp_path, max_epochs=3, overfit_batches=2).fit(model, datamodule=Numbered(batch_size=5))
    assert model.flat("train") == list(range(10)) * 3


def test_double_precision_gets_double_images(tmp_path: Path) -> None:
    model = Recorder()
    trainer(tmp_path, precision="64-true").fit(model, datamodule=Numbered())
    assert model.dtypes == {torch.float64}
    assert sorted(model.flat("train")) == list(range(100))


def test_mixed_precision_leaves_images_in_single(tmp_path: Path) -> None:
    model = Recorder()
    trainer(tmp_path, precision="bf16-mixed").fit(model, datamodule=Numbered())
    assert model.dtypes == {torch.float32}


def test_saved_settings_hold_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAAF_DATA_ROOT", str(tmp_path))
    data = Numbered(batch_size=16)
    running = trainer(tmp_path)
    running.fit(Recorder(), datamodule=data)
    running.save_checkpoint(tmp_path / "run.ckpt")
    saved = torch.load(tmp_path / "run.ckpt", weights_only=True)["datamodule_hyper_parameters"]
    assert saved["batch_size"] == 16
    assert not any(str(tmp_path) in str(value) for value in saved.values())
    assert "root" not in Numbered(root=str(tmp_path)).hparams
    assert Numbered.load_from_checkpoint(tmp_path / "run.ckpt", weights_only=True).batch_size == 16


def test_root_is_looked_up_at_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Numbered()
    monkeypatch.setenv("LAAF_DATA_ROOT", str(tmp_path))
    data.prepare_data()
    assert data.prepared == tmp_path


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0: it must be at least 1"),
        ({"seed": -1}, "seed is -1: it must be at least 0"),
        ({"num_workers": -2}, "num_workers is -2: it must be at least 0"),
        ({"val_split": -1}, "val_split is -1: give a fraction from 0 to below 1"),
        ({"val_split": 1.0}, r"val_split is 1\.0: give a fraction from 0 to below 1 \(0\.1\) or a count"),
        ({"val_split": float("nan")}, "val_split is nan: give a fraction"),
    ],
)
def test_setting_out_of_range_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Numbered(**settings)


@pytest.mark.parametrize("share", [100, 0.999, 0.001])
def test_val_split_that_leaves_one_side_empty_is_refused(share: int | float) -> None:
    with pytest.raises(ConfigurationError, match=f"val_split is {share}, which sets .* of 100 training images apart"):
        Numbered(val_split=share).setup("fit")


def test_loader_before_set_up_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no images for 'test' yet: call prepare_data\(\) and setup"):
        Numbered().test_dataloader()


def test_content_that_does_not_fit_the_set_is_refused() -> None:
    class Wide(Numbered):
        image_size: ClassVar[int] = 2

    with pytest.raises(ConfigurationError, match=r"train is damaged: its images have shape \(1, 1, 1\)"):
        Wide().setup("fit")


class Writer(Recorder):
    """Leaves what each rank saw in a folder, since a spawned process shares no memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def on_train_end(self) -> None:
        torch.save(self.seen, self.folder / f"{self.global_rank}.pt")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what torch and Lightning say about spawning is not ours
def test_each_rank_trains_on_its_own_part(tmp_path: Path) -> None:
    data = Numbered(batch_size=10, val_split=20)
    trainer(tmp_path, strategy="ddp_spawn", devices=2, max_epochs=2, num_sanity_val_steps=0).fit(
        Writer(tmp_path), datamodule=data
    )
    left, right = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for stage, batches in (("train", 8), ("val", 2)):
        assert len(left[stage]) == len(right[stage]) == batches
        seen = [number for rank in (left, right) for batch in rank[stage][: batches // 2] for number in batch]
        assert len(seen) == len(set(seen)) == (80 if stage == "train" else 20)
