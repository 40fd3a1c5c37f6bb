from __future__ import annotations

import gzip
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from laaf_lightning.data.images.sets.fashion_mnist import FashionMNISTDataModule
from laaf_lightning.data.images.sets.idx_files import IDXDataModule
from laaf_lightning.errors import ConfigurationError


class NoAddress(FashionMNISTDataModule):
    """Keeps the tests off the network."""

    addresses: ClassVar[tuple[str, ...]] = ()


def mirror_of(root: Path, folder: Path) -> str:
    folder.mkdir()
    for file in (root / "FashionMNIST" / "raw").iterdir():
        content = file.read_bytes()
        packed = content if file.suffix == ".gz" else gzip.compress(content)
        (folder / f"{file.name.removesuffix('.gz')}.gz").write_bytes(packed)
    return folder.as_uri()


def test_set_that_is_there_is_read_and_never_fetched(tiny_fashion: Path) -> None:
    before = sorted(tiny_fashion.rglob("*"))
    data = NoAddress(root=str(tiny_fashion), verify=False, batch_size=20)
    data.prepare_data()
    data.setup()
    train, test = data.train_dataloader().data, data.test_dataloader().data
    assert train.images.shape == (20, 1, 28, 28)
    assert train.images.dtype == torch.uint8
    assert train.labels.tolist() == [*range(10), *range(10)]
    assert test.labels.tolist() == list(range(7))
    expected = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(train.images[:, 0].numpy(), expected)
    assert sorted(tiny_fashion.rglob("*")) == before


def test_missing_set_comes_from_a_mirror_once(tiny_fashion: Path, tmp_path: Path) -> None:
    mirror = mirror_of(tiny_fashion, tmp_path / "mirror")
    data = NoAddress(root=str(tmp_path / "new"), verify=False, mirrors=["http://127.0.0.1:9", mirror])
    data.prepare_data()
    data.setup()
    assert len(data.train_dataloader().data) == 20
    assert len(list((tmp_path / "new" / "FashionMNIST" / "raw").iterdir())) == 4
    offline = NoAddress(root=str(tmp_path / "new"), verify=False)
    offline.prepare_data()
    offline.setup()
    assert torch.equal(offline.test_dataloader().data.images, data.test_dataloader().data.images)


def test_run_again_after_a_partial_download_fetches_only_what_is_missing(tiny_fashion: Path, tmp_path: Path) -> None:
    mirror = mirror_of(tiny_fashion, tmp_path / "mirror")
    labels = tmp_path / "mirror" / "train-labels-idx1-ubyte.gz"
    content = labels.read_bytes()
    labels.unlink()
    data = NoAddress(root=str(tmp_path / "new"), verify=False, mirrors=[mirror])
    with pytest.raises(ConfigurationError, match=r"train-labels-idx1-ubyte\.gz is missing and could not be downloaded"):
        data.prepare_data()
    images = tmp_path / "new" / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz"
    written = images.stat().st_mtime_ns
    labels.write_bytes(content)
    data.prepare_data()
    assert images.stat().st_mtime_ns == written
    data.setup()


def test_download_that_is_not_the_published_set_is_refused_and_not_kept(tiny_fashion: Path, tmp_path: Path) -> None:
    mirror = mirror_of(tiny_fashion, tmp_path / "mirror")
    data = NoAddress(root=str(tmp_path / "new"), mirrors=[mirror])
    with pytest.raises(ConfigurationError, match="what came is damaged, its content has MD5"):
        data.prepare_data()
    assert not (tmp_path / "new").exists()


def test_offline_says_where_files_were_looked_for_and_how_to_provide_them(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    with pytest.raises(ConfigurationError) as caught:
        NoAddress(root=str(tmp_path), mirrors=["http://127.0.0.1:9"]).prepare_data()
    text = str(caught.value)
    assert "http://127.0.0.1:9/train-images-idx3-ubyte.gz: " in text
    assert f"put train-images-idx3-ubyte or train-images-idx3-ubyte.gz into {raw}" in text
    assert "LAAF_DATA_ROOT to the folder that holds FashionMNIST/raw" in text


@pytest.mark.parametrize("call", ["prepare_data", "setup"])
def test_missing_set_without_download_names_the_ways_out(tmp_path: Path, call: str) -> None:
    data = NoAddress(root=str(tmp_path), download=False)
    with pytest.raises(ConfigurationError, match=r"is missing: put .* or .*\.gz into .*, or set download to true"):
        getattr(data, call)()
    assert list(tmp_path.iterdir()) == []


def test_other_content_is_refused_when_verified(tiny_fashion: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"train-images-idx3-ubyte\.gz is damaged: its content has MD5"):
        NoAddress(root=str(tiny_fashion)).setup("fit")


def test_plain_file_goes_before_the_packed_one(tiny_fashion: Path) -> None:
    plain = tiny_fashion / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    plain.write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"train-images-idx3-ubyte is damaged: it is empty"):
        NoAddress(root=str(tiny_fashion), verify=False).setup("fit")


def test_fewer_labels_than_images_are_refused(tiny_fashion: Path) -> None:
    labels = tiny_fashion / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(bytes((0, 0, 8, 1, 0, 0, 0, 2, 1, 1)))
    with pytest.raises(ConfigurationError, match=r"t10k-images.* with t10k-labels.* it holds 7 images but 2 labels"):
        NoAddress(root=str(tiny_fashion), verify=False).setup("test")


def test_mirrors_stay_out_of_saved_settings() -> None:
    assert "mirrors" not in NoAddress(mirrors=["file:///somewhere"]).hparams


def test_base_cannot_be_used_without_its_facts() -> None:
    assert not hasattr(IDXDataModule, "folder")
