from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from laaf_lightning.data.images.formats import DamagedFileError, read_svhn
from tests.data.images.formats import md5_of, refused_within

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)
DIGITS = np.array([[1], [10], [9], [2], [10]], dtype=np.uint8)


def written(file: Path, **arrays: Any) -> bytes:
    savemat(file, {"X": PIXELS, "y": DIGITS} | arrays, do_compression=True)
    return file.read_bytes()


def test_pixels_are_turned_and_digit_ten_is_zero(tmp_path: Path) -> None:
    file = tmp_path / "train_32x32.mat"
    read = read_svhn(file, md5_of(written(file)))
    assert read.images.dtype == torch.uint8
    assert read.labels.tolist() == [1, 0, 9, 2, 0]
    for image in range(5):
        for channel in range(3):
            np.testing.assert_array_equal(read.images[image, channel].numpy(), PIXELS[:, :, channel, image])


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "u8", "f4", "f8"])
def test_what_scipy_wrote_is_read_as_scipy_reads_it(tmp_path: Path, dtype: str, packed: bool) -> None:
    file = tmp_path / "train_32x32.mat"
    arrays = {"before": "some text", "X": PIXELS, "cell": np.array([1, "a"], object), "y": DIGITS.astype(dtype)}
    savemat(file, arrays | {"after": np.arange(100_000.0)}, do_compression=packed)
    expected = loadmat(file)
    read = read_svhn(file)
    np.testing.assert_array_equal(read.images.permute(2, 3, 1, 0).numpy(), expected["X"])
    np.testing.assert_array_equal(read.labels.numpy(), expected["y"].ravel() % 10)


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_of_either_byte_order_and_in_smaller_types_are_read_as_scipy_reads_them(
    tmp_path: Path, order: str
) -> None:
    file = tmp_path / "train_32x32.mat"
    pixels = PIXELS[:2, :3]
    head = (9, pixels.shape, "X")
    file.write_bytes(
        header(order)
        + variable(order, *head, 2, pixels.tobytes(order="F"))
        + variable(order, 6, (5, 1), "y", 4, DIGITS.astype(f"{order}u2").tobytes())
    )
    read, expected = read_svhn(file), loadmat(file)
    np.testing.assert_array_equal(read.images.permute(2, 3, 1, 0).numpy(), expected["X"])
    assert read.labels.tolist() == [int(digit) % 10 for digit in expected["y"].ravel()]


def header(order: str, version: int = 0x0100) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", version) + {"<": b"IM", ">": b"MI"}[order]


def element(order: str, kind: int, data: bytes) -> bytes:
    return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)


def variable(order: str, kind: int, shape: tuple[int, ...], name: str, values_kind: int, values: bytes) -> bytes:
    parts = (
        element(order, 6, struct.pack(f"{order}II", kind, 0)),
        element(order, 5, struct.pack(f"{order}{len(shape)}i", *shape)),
        element(order, 1, name.encode()),
        element(order, values_kind, values),
    )
    return element(order, 14, b"".join(parts))


def compressed(content: bytes) -> bytes:
    packed = zlib.compress(content, 1)
    return struct.pack("<II", 15, len(packed)) + packed


X = variable("<", 9, (2, 2, 3, 5), "X", 2, bytes(60))
BIG_X = variable("<", 9, (32, 32, 3, 30_000), "X", 2, bytes(32 * 32 * 3 * 30_000))
HOSTILE: dict[str, tuple[bytes, str]] = {
    "goes on": (compressed(X + bytes(100_000_000)), "a compressed part of it has trailing bytes"),
    "goes on by a byte": (compressed(X + b"x"), "a compressed part of it has trailing bytes"),
    "bomb": (compressed(BIG_X), "announces 92160000 bytes, more than 100 times its size"),
    "cut": (compressed(X)[:-9], "is truncated"),
    "cut inside": (struct.pack("<II", 15, 30) + compressed(X)[8:38], "is truncated"),
    "checksum": (compressed(X)[:-1] + b"\0", "its compression is broken"),
    "no compression": (struct.pack("<II", 15, 16) + b"no compression at", "its compression is broken"),
    "shape beyond its bytes": (
        variable("<", 9, (2**30, 32, 3, 5), "X", 2, bytes(60)),
        "of shape (1073741824, 32, 3, 5)",
    ),
    "shape below 0": (variable("<", 9, (-1, -60, 1, 1), "X", 2, bytes(60)), "has shape (-1, -60, 1, 1)"),
    "bytes beyond the file": (X[:-30], "is truncated"),
    "cell": (variable("<", 1, (2, 2, 3, 5), "X", 2, bytes(60)), "X is no array of real numbers"),
    "complex": (variable("<", 9 | 0x800, (2, 2, 3, 5), "X", 2, bytes(60)), "X is no array of real numbers"),
    "type of values": (variable("<", 9, (2, 2, 3, 5), "X", 77, bytes(60)), "values of type 77"),
    "twice": (X + X, "it has two variables X"),
    "no digits": (X + variable("<", 9, (0, 1), "y", 2, b""), "its y is uint8 of shape (0, 1) instead of"),
    "no number": (X + variable("<", 6, (1, 1), "y", 9, struct.pack("<d", float("nan"))), "labels run from nan to nan"),
    "element in a variable": (element("<", 14, element("<", 14, b"")), "bytes of type 14 in its beginning"),
    "no variable": (element("<", 2, bytes(8)), "it has an element of type 2 instead of a variable"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_within_the_memory_of_its_size(tmp_path: Path, name: str) -> None:
    content, problem = HOSTILE[name]
    file = tmp_path / "train_32x32.mat"
    file.write_bytes(header("<") + content)
    assert problem in refused_within(2, lambda: read_svhn(file))


def test_version_7_3_is_named(tmp_path: Path) -> None:
    file = tmp_path / "train_32x32.mat"
    file.write_bytes(header("<", 0x0200) + X)
    with pytest.raises(DamagedFileError, match="it is a MATLAB file of version 0x0200 instead of 0x0100"):
        read_svhn(file)


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"X": PIXELS.astype(float)}, r"its X is float64 of shape \(32, 32, 3, 5\) instead of uint8"),
        ({"X": PIXELS[..., 0]}, r"its X is uint8 of shape \(32, 32, 3\) instead"),
        ({"y": DIGITS - 1}, "its labels run from 0 to 9 instead of 1 to 10"),
        ({"y": DIGITS + 1}, "its labels run from 2 to 11 instead of 1 to 10"),
        ({"y": DIGITS + 0.5}, "its labels run from 1.5 to 10.5"),
        ({"y": np.tile(DIGITS, 2)}, r"its y is uint8 of shape \(5, 2\) instead"),
    ],
    ids=["float", "three axes", "low", "high", "fraction", "two columns"],
)
def test_wrong_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], problem: str) -> None:
    file = tmp_path / "train_32x32.mat"
    written(file, **arrays)
    with pytest.raises(DamagedFileError, match=rf"train_32x32.mat is damaged: {problem}.*; remove it"):
        read_svhn(file, remedy="remove it")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda content: b"", "it is empty"),
        (lambda content: content[: len(content) // 2], "it is truncated: .* bytes where .* are announced"),
        (lambda content: b"not a MATLAB file" * 20, "it is no MATLAB file of version 5"),
        (lambda content: content + b"trailing", "it announces 26977 bytes where there is room for 4"),
        (lambda content: content[:128], "its X is nothing instead of"),
    ],
    ids=["empty", "truncated", "text", "trailing", "header only"],
)
def test_damaged_file_is_refused_without_a_checksum(
    tmp_path: Path, damage: Callable[[bytes], bytes], problem: str
) -> None:
    file = tmp_path / "train_32x32.mat"
    file.write_bytes(damage(written(file)))
    with pytest.raises(DamagedFileError, match=rf"train_32x32.mat is damaged: {problem}"):
        read_svhn(file)


def test_flipped_byte_is_refused_by_the_checksum(tmp_path: Path) -> None:
    file = tmp_path / "test_32x32.mat"
    content = written(file)
    file.write_bytes(content[:60] + bytes((content[60] ^ 1,)) + content[61:])
    read_svhn(file)  # the header's text: nothing but a checksum sees it
    with pytest.raises(DamagedFileError, match="its content has MD5"):
        read_svhn(file, md5_of(content))


def test_a_file_of_very_many_variables_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "train_32x32.mat"
    savemat(file, {"a": np.zeros((1, 1))})
    one = file.read_bytes()
    file.write_bytes(one[:128] + one[128:] * 1001)
    with pytest.raises(DamagedFileError, match="it has more than 1000 variables"):
        read_svhn(file)
