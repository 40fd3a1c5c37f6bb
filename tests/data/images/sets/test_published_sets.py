"""Every image set that is published as files: reading, damage, fetching, on small files of the exact formats."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.datasets import SVHN

from laaf_lightning.data import DamagedFileError
from laaf_lightning.errors import ConfigurationError
from tests.data.images.sets.small_sets import COUNT, SETS, Small, each_set, md5


@each_set
def test_files_equal_what_torchvision_reads(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = SETS[small.name][1]
    data = small.data()
    data.prepare_data()
    data.setup()
    for train, loader in ((True, data.train_dataloader()), (False, data.test_dataloader())):
        if small.name == "svhn":
            split = "train" if train else "test"
            entry = [*SVHN.split_list[split][:2], md5((small.root / "SVHN" / f"{split}_32x32.mat").read_bytes())]
            monkeypatch.setitem(SVHN.split_list, split, entry)
            theirs = SVHN(str(small.root / "SVHN"), split=split)
            pixels, labels = torch.from_numpy(theirs.data), theirs.labels
        elif small.name.startswith("cifar"):
            monkeypatch.setattr(oracle, "_check_integrity", lambda self: True)
            monkeypatch.setattr(oracle, "_load_meta", lambda self: None)
            theirs = oracle(str(small.root), train=train)
            pixels, labels = torch.from_numpy(theirs.data).permute(0, 3, 1, 2), theirs.targets
        else:
            for packed in (small.root / small.module.folder).glob("*.gz"):
                packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
            theirs = oracle(str(small.root), train=train)
            pixels, labels = theirs.data.unsqueeze(1), theirs.targets
        assert torch.equal(loader.data.images, pixels)
        assert loader.data.labels.tolist() == list(map(int, labels))


@each_set
def test_facts_agree_with_torchvision(small: Small) -> None:
    original: Any = SETS[small.name][0]
    oracle = SETS[small.name][1]
    if small.name == "svhn":
        assert {entry[1]: entry[2] for split, entry in oracle.split_list.items() if split != "extra"} == original.md5
    elif small.name.startswith("cifar"):
        assert dict(oracle.train_list + oracle.test_list) == original.md5
        assert (oracle.tgz_md5, oracle.filename) == (original.archive_md5, original.archive)
        assert f"{original.addresses[0]}{original.archive}" == oracle.url
    else:
        assert set(original.addresses) == set(oracle.mirrors)  # in the order of the newest torchvision
        assert {name.removesuffix(".gz") for name, _ in oracle.resources} == set(original.files)
    if small.name == "kmnist":
        assert {f"{name}.gz": value for name, value in original.archive_md5.items()} == dict(oracle.resources)
        assert list(original.class_names) == oracle.classes
    assert len(original.class_names) == original.num_classes


def flip_last_quarter(content: bytes) -> bytes:
    at = len(content) * 3 // 4
    return content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "trailing bytes": lambda content: content + b"\x01trailing",
    "flipped byte": flip_last_quarter,
    "another file": lambda content: b"<html>404 not found</html>" * 40,
}


def damaged(file: Path, kind: str) -> None:
    """Damage the content of a file, packed files' inside too."""
    content = file.read_bytes()
    inside = gzip.decompress(content) if file.suffix == ".gz" else content
    broken = DAMAGE[kind](inside)
    file.write_bytes(gzip.compress(broken) if file.suffix == ".gz" else broken)


@pytest.mark.parametrize("kind", DAMAGE)
@each_set
def test_damage_is_refused_with_file_problem_and_remedy(small: Small, kind: str) -> None:
    for file in small.files:
        sound = file.read_bytes()
        damaged(file, kind)
        with pytest.raises(DamagedFileError, match=rf"{file.name} is damaged: .*; delete it and run again"):
            small.data(download=False).prepare_data()
        with pytest.raises(DamagedFileError, match=rf"{file.name} is damaged: "):
            small.data().setup()
        file.write_bytes(sound)
    small.data(download=False).prepare_data()


@each_set
def test_damage_is_fetched_again_and_the_damaged_file_kept_aside(small: Small, tmp_path: Path) -> None:
    mirror = small.mirror(tmp_path / "mirror")
    file = small.files[-1]
    sound = file.read_bytes()
    damaged(file, "flipped byte")
    broken = file.read_bytes()
    data = small.data(mirrors=[mirror])
    data.prepare_data()
    data.setup()
    assert file.read_bytes() == sound
    assert file.with_name(f"{file.name}.damaged").read_bytes() == broken


@each_set
def test_missing_set_is_fetched_once_and_read_offline_afterwards(small: Small, tmp_path: Path) -> None:
    mirror = small.mirror(tmp_path / "mirror")
    small.data(tmp_path / "new", mirrors=["http://127.0.0.1:9", mirror]).prepare_data()
    offline, original = small.data(tmp_path / "new", download=False), small.data(download=False)
    for data in (offline, original):
        data.prepare_data()
        data.setup()
    for one, other in (
        (offline.train_dataloader(), original.train_dataloader()),
        (offline.test_dataloader(), original.test_dataloader()),
    ):
        assert torch.equal(one.data.images, other.data.images)
        assert torch.equal(one.data.labels, other.data.labels)
    leftovers = [file for file in (tmp_path / "new").rglob("*") if file.suffix in {".part", ".damaged"}]
    assert leftovers == []
    assert not list((tmp_path / "new").glob("*.tar.gz"))


@pytest.mark.parametrize("kind", ["truncated", "another file"])
@each_set
def test_half_a_download_or_a_wrong_one_is_refused_and_not_kept(small: Small, tmp_path: Path, kind: str) -> None:
    mirror = small.mirror(tmp_path / "mirror")
    for offered in (tmp_path / "mirror").iterdir():
        offered.write_bytes(DAMAGE[kind](offered.read_bytes()))
    with pytest.raises(ConfigurationError, match=r"could not be downloaded \(file:.*: what came is damaged, "):
        small.data(tmp_path / "new", mirrors=[mirror]).prepare_data()
    assert [file for file in (tmp_path / "new").rglob("*") if file.is_file()] == []


@each_set
def test_other_sets_of_the_format_are_read_without_verification(small: Small) -> None:
    original = SETS[small.name][0]
    data = original(root=str(small.root), verify=False, download=False)
    data.prepare_data()
    data.setup()
    assert (len(data.train_dataloader().data), len(data.test_dataloader().data)) == COUNT


@pytest.mark.parametrize("small", ["mnist", "kmnist", "fashion_mnist"], indirect=True)
def test_ten_labels_for_more_images_are_refused(small: Small) -> None:
    labels = next(file for file in small.files if file.name.startswith("t10k-labels"))
    labels.write_bytes(gzip.compress(bytes((0, 0, 8, 1, 0, 0, 0, 10)) + bytes(10)))
    with pytest.raises(DamagedFileError, match="it holds 20 images but 10 labels"):
        small.data(verify=False).setup("test")


@pytest.mark.parametrize("small", ["cifar10", "cifar100"], indirect=True)
def test_ten_labels_for_more_images_are_refused_in_a_batch(small: Small) -> None:
    from tests.data.images.published import python2_pickle

    key = getattr(small.module, "label_key")  # noqa: B009  # not a fact of every set
    pixels = np.zeros((20, 3072), dtype=np.uint8)
    small.files[-1].write_bytes(python2_pickle({"data": pixels, key: [0] * 10}))
    with pytest.raises(DamagedFileError, match="it holds 20 images but 10 labels"):
        small.data(verify=False).setup("test")


@pytest.mark.parametrize("small", ["svhn"], indirect=True)
def test_ten_labels_for_more_images_are_refused_in_a_mat_file(small: Small) -> None:
    from scipy.io import savemat

    pixels, digits = np.zeros((32, 32, 3, 20), dtype=np.uint8), np.ones((10, 1), dtype=np.uint8)
    savemat(small.files[-1], {"X": pixels, "y": digits})
    with pytest.raises(DamagedFileError, match="it holds 20 images but 10 labels"):
        small.data(verify=False).setup("test")
