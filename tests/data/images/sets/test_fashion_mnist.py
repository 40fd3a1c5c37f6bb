from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torchvision.datasets import FashionMNIST

from laaf_lightning.data.images.root import ROOT_VARIABLE
from laaf_lightning.data.images.sets.fashion_mnist import FashionMNISTDataModule

ROOT = os.environ.get(ROOT_VARIABLE, "")
needs_data = pytest.mark.skipif(
    not (Path(ROOT) / "FashionMNIST" / "raw").is_dir() or not ROOT,
    reason=f"Fashion-MNIST is not in the folder that {ROOT_VARIABLE} names",
)


def test_facts_are_there_before_set_up() -> None:
    data = FashionMNISTDataModule()
    assert (data.num_classes, data.in_channels, data.image_size) == (10, 1, 28)
    assert list(data.class_names) == FashionMNIST.classes
    assert list(data.addresses) == FashionMNIST.mirrors
    assert {f"{name}.gz" for name in data.md5} == {name for name, _ in FashionMNIST.resources}


@needs_data
def test_real_set_equals_torchvisions_image_by_image(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.parent.mkdir()
    raw.symlink_to(Path(ROOT).resolve() / "FashionMNIST" / "raw")
    data = FashionMNISTDataModule(root=str(tmp_path), download=False)
    data.prepare_data()
    data.setup()
    for train, loader in ((True, data.train_dataloader()), (False, data.test_dataloader())):
        oracle = torchvision_reading(tmp_path, train)
        assert torch.equal(loader.data.images[:, 0], oracle.data)
        assert torch.equal(loader.data.labels, oracle.targets)
    assert (len(data.train_dataloader()), len(data.test_dataloader())) == (938, 157)


def torchvision_reading(root: Path, train: bool) -> FashionMNIST:
    """Give torchvision, which reads unpacked files only, a folder of its own."""
    import gzip

    raw = root / "unpacked" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for file in (root / "FashionMNIST" / "raw").iterdir():
        content = file.read_bytes()
        plain = gzip.decompress(content) if file.suffix == ".gz" else content
        (raw / file.name.removesuffix(".gz")).write_bytes(plain)
    return FashionMNIST(str(root / "unpacked"), train=train)
