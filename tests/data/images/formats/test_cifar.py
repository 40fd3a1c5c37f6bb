from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from laaf_lightning.data.images.formats import DamagedFileError, read_cifar
from tests.data.images.formats import md5_of
from tests.data.images.published import python2_pickle

DATA = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
LABELS = [3, 0, 9, 1]
BATCH = {"batch_label": "training batch 1 of 5", "labels": LABELS, "data": DATA, "filenames": ["a.png"] * 4}


def test_batch_as_python_2_wrote_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "data_batch_1"
    file.write_bytes(python2_pickle(BATCH))
    read = read_cifar(file, "labels", md5_of(file.read_bytes()))
    assert read.images.dtype == torch.uint8
    np.testing.assert_array_equal(read.images.numpy(), DATA.reshape(4, 3, 32, 32))
    assert read.labels.tolist() == LABELS


def test_writer_agrees_with_pythons_own_unpickler() -> None:
    expected = pickle.loads(python2_pickle(BATCH), encoding="latin1")
    assert expected.keys() == BATCH.keys()
    assert expected["labels"] == LABELS
    np.testing.assert_array_equal(expected["data"], DATA)


def test_batch_that_python_3_pickled_is_read(tmp_path: Path) -> None:
    file = tmp_path / "train"
    file.write_bytes(pickle.dumps({"fine_labels": LABELS, "data": DATA}, protocol=4))
    assert read_cifar(file, "fine_labels").labels.tolist() == LABELS


class Attack:
    """Unpickling it by ``pickle.load`` would run a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    marker, file = tmp_path / "marker", tmp_path / "data_batch_1"
    file.write_bytes(pickle.dumps({"data": DATA, "labels": LABELS, "more": Attack(marker)}, protocol=4))
    with pytest.raises(DamagedFileError, match=r"data_batch_1 is damaged: .* it names posix.system, which no CIFAR"):
        read_cifar(file, "labels")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda content: b"", "it is empty"),
        (lambda content: content[:2000], "it cannot be unpickled"),
        (lambda content: content + b"more", "it has 4 trailing bytes"),
        (lambda content: b"not a pickle", "it cannot be unpickled"),
        (lambda content: python2_pickle({"data": DATA}), "it has no list of whole numbers under 'labels'"),
        (lambda content: python2_pickle({"labels": LABELS}), r"its data is NoneType instead of uint8 of shape \(N, 30"),
        (lambda content: python2_pickle({"data": DATA[:, :9]}), r"its data is uint8 of shape \(4, 9\) instead of"),
        (lambda content: pickle.dumps([1, 2]), "it holds a list instead of a dictionary"),
    ],
    ids=["empty", "truncated", "trailing", "text", "no labels", "no data", "narrow", "list"],
)
def test_damaged_batch_is_refused_without_a_checksum(
    tmp_path: Path, damage: Callable[[bytes], bytes], problem: str
) -> None:
    file = tmp_path / "data_batch_1"
    file.write_bytes(damage(python2_pickle(BATCH)))
    with pytest.raises(DamagedFileError, match=f"data_batch_1 is damaged: {problem}.*; remove it"):
        read_cifar(file, "labels", remedy="remove it")


def test_flipped_byte_is_refused_by_the_checksum(tmp_path: Path) -> None:
    content = python2_pickle(BATCH)
    file = tmp_path / "data_batch_1"
    at = content.index(DATA.tobytes()) + 100
    file.write_bytes(content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :])
    with pytest.raises(DamagedFileError, match="its content has MD5"):
        read_cifar(file, "labels", md5_of(content))
