from __future__ import annotations

import gzip
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from laaf_lightning.data.images.formats import DamagedFileError, read_cifar
from tests.data.images.formats import md5_of, refused_within
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


@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("data", [DATA, np.asfortranarray(DATA), DATA[:, ::-1]], ids=["C", "Fortran", "strides"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_pickle_wrote_is_read_as_pickle_reads_it(
    tmp_path: Path, protocol: int, data: npt.NDArray[np.uint8], module: str
) -> None:
    batch = {
        "fine_labels": [3, 0, 300, -70000],
        "data": data,
        "filenames": ["ä.png"] * 4,
        "more": [None, True, (1, b"")],
    }
    if protocol < 3:  # Python 3 writes empty bytes there as a call of bytes
        del batch["more"]
    content = pickle.dumps(batch, protocol).replace(b"numpy._core", module.encode())
    if protocol < 4:
        expected = pickle.loads(content) if module == "numpy._core" else batch
    else:
        content, expected = pickle.dumps(batch, protocol), batch
    file = tmp_path / "train"
    file.write_bytes(content)
    read = read_cifar(file, "fine_labels")
    assert read.labels.tolist() == expected["fine_labels"]
    np.testing.assert_array_equal(read.images.flatten(1).numpy(), expected["data"])


def python2_text_pickle(value: object) -> bytes:
    """Pickle as Python 2 did in protocol 0."""
    if isinstance(value, str):
        return b"S" + repr(value.encode("latin1"))[1:].encode() + b"\n"
    if isinstance(value, int):
        return b"I%d\n" % value
    if isinstance(value, list):
        return b"(lp7\n" + b"".join(python2_text_pickle(item) + b"a" for item in value)
    if isinstance(value, dict):
        items = (python2_text_pickle(key) + python2_text_pickle(item) + b"s" for key, item in value.items())
        return b"(dp1\n" + b"".join(items)
    assert isinstance(value, np.ndarray)
    array = b"cnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n"
    shape = b"(" + b"".join(b"L%dL\n" % size for size in value.shape) + b"t"
    dtype = b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntb"
    return array + shape + dtype + b"I00\n" + python2_text_pickle(value.tobytes().decode("latin1")) + b"tb"


def test_batch_as_python_2_wrote_it_in_text_is_read(tmp_path: Path) -> None:
    content = python2_text_pickle(BATCH) + b"."
    expected = pickle.loads(content, encoding="latin1")
    file = tmp_path / "data_batch_1"
    file.write_bytes(content)
    read = read_cifar(file, "labels")
    assert read.labels.tolist() == expected["labels"]
    np.testing.assert_array_equal(read.images.flatten(1).numpy(), expected["data"])


class Attack:
    """Unpickling it by ``pickle.load`` would run a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path: Path, protocol: int) -> None:
    marker, file = tmp_path / "marker", tmp_path / "data_batch_1"
    file.write_bytes(pickle.dumps({"data": DATA, "labels": LABELS, "more": Attack(marker)}, protocol))
    with pytest.raises(DamagedFileError, match=r"data_batch_1 is damaged: .* it names posix.system, which no CIFAR"):
        read_cifar(file, "labels")
    assert not marker.exists()


ENCODE, LATIN1 = b"c_codecs\nencode\nq\x00", b"X\x06\x00\x00\x00latin1q\x01"
MALICIOUS: dict[str, tuple[bytes, str]] = {
    "INST": (b"(S'true'\nios\nsystem\n.", "has opcode b'i', which no CIFAR batch needs"),
    "OBJ": (b"(cos\nsystem\nS'true'\no.", "names os.system"),
    "NEWOBJ": (b"cnumpy\nndarray\n(J\xff\xff\xff\x7ft\x81.", r"has opcode b'\x81'"),
    "extension": (b"\x82\x01.", r"has opcode b'\x82'"),
    "persistent": (b"Pfile\n.", "has opcode b'P'"),
    "buffer beside": (b"\x80\x05\x97.", r"has opcode b'\x97'"),
    "protocol": (b"\x80\x06}.", "is of protocol 6"),
    "getattr": (b"cbuiltins\ngetattr\n.", "names builtins.getattr"),
    "dotted": (b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.data\x93.", "names numpy.ndarray.data"),
    "huge array": (b"cnumpy\nndarray\n((I99999999\nI99999\nttR.", "calls numpy.ndarray as no CIFAR batch does"),
    "huge empty array": (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I999999999999\ntS'b'\ntR.",
        "calls numpy.core.multiarray._reconstruct as no CIFAR batch does",
    ),
    "huge bytes": (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x0f.", "is truncated"),
    "huge frame": (b"\x80\x04\x95" + b"\xff" * 7 + b"\x0f}.", "is truncated"),
    "huge memo": (b"}r\xff\xff\xff\x7f0.", "has opcode b'0'"),
    "nothing remembered": (b"h\x07.", "recalls value 7"),
    "nested": (b"]" * 50_000 + b"a" * 49_999 + b".", "holds a list instead of a dictionary"),
    "many lists": (b"]" * 20_000_000, "more than any batch"),
    "one text many times": (
        ENCODE + LATIN1 + b"X\x40\x42\x0f\x00" + b"x" * 1_000_000 + b"q\x02" + b"h\x00h\x02h\x01\x86R" * 10_000,
        "makes more bytes than it holds",
    ),
    "own key": (b"}q\x00h\x00K\x01s.", "as to a dictionary of names"),
    "nested key": (b"}" + b")" + b"\x85" * 90_000 + b"K\x01s.", "as to a dictionary of names"),
    "dtype's state": (
        b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\n(S'u1'\n(I3\nttNNI-1\nI-1\nI0\ntb.",
        "gives PickledDtype a state that is no array's",
    ),
    "array of objects": (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\ntcnumpy\ndtype\n(S'O'\nI0\nI1\ntR"
        b"I00\n(lp0\nNatb.",
        "gives PickledArray a state that is no array's",
    ),
    "number": (b"}S'labels'\n]I" + b"9" * 60 + b"\nas.", "its data is NoneType"),
    "long number": (b"I" + b"9" * 100_000 + b"\n.", "a line of it has more than 64 bytes"),
    "escape": (b"S'\\xzz'\n.", "has a string with a wrong escape"),
    "no mark": (b"t.", "takes a mark where there is none"),
    "no value": (b"R.", "takes a value where there is none"),
    "below the mark": (b"](K\x01\x86.", "takes a value where there is none"),
    "mark left": (b"}(.", "ends in the middle of a value"),
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_malicious_pickle_is_refused_within_the_memory_of_its_size(tmp_path: Path, name: str) -> None:
    content, problem = MALICIOUS[name]
    file = tmp_path / "data_batch_1"
    file.write_bytes(content)
    assert problem in refused_within(10 + 8 * len(content) / 2**20, lambda: read_cifar(file, "labels"))


@pytest.mark.parametrize("label", [2**31, -(2**70), 2**200, "3", None, 3.5])
def test_labels_that_are_no_numbers_of_classes_are_refused(tmp_path: Path, label: object) -> None:
    file = tmp_path / "data_batch_1"
    file.write_bytes(pickle.dumps({"data": DATA, "labels": [0, 1, 2, label]}, 4))
    with pytest.raises(DamagedFileError, match=r"no list of whole numbers under 'labels'|cannot be unpickled"):
        read_cifar(file, "labels")


def test_packed_batch_is_unpacked_no_further_than_it_is_a_batch(tmp_path: Path) -> None:
    file = tmp_path / "data_batch_1"
    file.write_bytes(gzip.compress(python2_pickle(BATCH)))
    assert read_cifar(file, "labels", md5_of(python2_pickle(BATCH))).labels.tolist() == LABELS
    file.write_bytes(gzip.compress(python2_pickle(BATCH) + bytes(100_000_000), 1))
    assert "it has trailing bytes" in refused_within(4, lambda: read_cifar(file, "labels"))


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
