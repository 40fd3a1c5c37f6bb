from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat

from laaf_lightning.data.images.formats import DamagedFileError, read_svhn
from tests.data.images.formats import md5_of

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
