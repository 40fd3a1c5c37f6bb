from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from laaf_lightning.data.formats import DamagedFileError, LabeledImages, check_images, read_idx, read_semeion
from laaf_lightning.errors import ConfigurationError

VALUES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_gives_back_what_was_written(
    tmp_path: Path, idx_bytes: Callable[..., bytes], pack: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "images"
    file.write_bytes(pack(idx_bytes(VALUES)))
    read = read_idx(file, 3, hashlib.md5(idx_bytes(VALUES)).hexdigest())
    assert read.dtype == torch.uint8
    np.testing.assert_array_equal(read.numpy(), VALUES)


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda content: b"", "it is empty"),
    "header cut": (lambda content: content[:9], "does not start as IDX bytes of 3 dimensions"),
    "magic": (lambda content: b"\x00\x00\x09" + content[3:], "does not start as IDX .* four: 00000903"),
    "dimensions": (lambda content: content[:3] + b"\x01" + content[4:], "does not start as IDX"),
    "truncated": (lambda content: content[:-5], "truncated: 35 bytes where its header announces 40"),
    "trailing": (lambda content: content + b"xyz", "3 trailing bytes"),
    "no items": (lambda content: content[:4] + bytes(4) + content[8:16], r"shape \(0, 3, 4\), which holds nothing"),
    "flipped": (lambda content: content[:-1] + b"\xff", "its content has MD5 .*, the published one "),
    "gzip cut": (lambda content: gzip.compress(content)[:-9], "its gzip stream is broken"),
    "gzip flipped": (lambda content: gzip.compress(content)[:-5] + b"\0" * 5, "its gzip stream is broken"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_idx_is_refused_with_file_problem_and_remedy(
    tmp_path: Path, idx_bytes: Callable[..., bytes], name: str
) -> None:
    damage, problem = DAMAGE[name]
    content = idx_bytes(VALUES)
    file = tmp_path / "train-images"
    file.write_bytes(damage(content))
    with pytest.raises(DamagedFileError, match=rf"train-images is damaged: .*{problem}.*; delete it and run again"):
        read_idx(file, 3, hashlib.md5(content).hexdigest())


def labeled(count: int = 3, labels: tuple[int, ...] = (0, 1, 2), size: int = 4) -> LabeledImages:
    return LabeledImages(torch.zeros(count, 1, size, size, dtype=torch.uint8), torch.tensor(labels), "train-files")


def test_matching_images_and_labels_pass() -> None:
    check_images(labeled(), num_classes=3, in_channels=1, image_size=4)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (labeled(count=9), "it holds 9 images but 3 labels"),
        (labeled(size=5), r"shape \(1, 5, 5\) instead of \(1, 4, 4\)"),
        (labeled(labels=(0, 1, 3)), "labels run from 0 to 3 instead of within 0 to 2"),
        (labeled(labels=(-1, 1, 2)), "labels run from -1 to 2"),
    ],
    ids=["count", "shape", "label too high", "label too low"],
)
def test_images_that_do_not_fit_are_refused(data: LabeledImages, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=f"train-files is damaged: .*{problem}"):
        check_images(data, num_classes=3, in_channels=1, image_size=4)


def semeion_line(pixels: npt.NDArray[np.uint8], label: int) -> str:
    return " ".join([*(f"{pixel:.4f}" for pixel in pixels), *(str(int(label == digit)) for digit in range(10))]) + "\n"


def test_semeion_gives_back_what_was_written(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 2, (5, 256), dtype=np.uint8)
    labels = [3, 1, 4, 1, 5]
    file = tmp_path / "semeion.data"
    file.write_text("".join(map(semeion_line, pixels, labels)))
    digits = read_semeion(file)
    assert digits.images.shape == (5, 1, 16, 16)
    np.testing.assert_array_equal(digits.images.numpy(), 255 * pixels.reshape(5, 1, 16, 16))
    assert digits.labels.tolist() == labels
    assert digits.labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda text: "", "it is empty"),
        (lambda text: text[:-1], "its last line is cut off"),
        (lambda text: text[:2000] + "\n", "line 2 has .* values instead of 266"),
        (lambda text: text.replace("1.0000", "0.5000", 1), "line 1 is not 256 pixels of 0 or 1 and one label"),
        (lambda text: text.replace(" 1 ", " 0 ", 1), "line 1 is not 256 pixels of 0 or 1 and one label"),
        (lambda text: text.replace("1.0000", "l.0000", 1), "line 1 holds something that is not a number"),
        (lambda text: text.replace("1.0000", "0.0000", 1), "its content has MD5"),
        (lambda text: "\n" + text, "line 1 has 0 values"),
    ],
    ids=["empty", "cut", "short line", "grey pixel", "no label", "letter", "flipped pixel", "blank line"],
)
def test_damaged_semeion_is_refused(tmp_path: Path, damage: Callable[[str], str], problem: str) -> None:
    text = semeion_line(np.ones(256, np.uint8), 3) + semeion_line(np.zeros(256, np.uint8), 7)
    file = tmp_path / "semeion.data"
    file.write_text(damage(text))
    with pytest.raises(DamagedFileError, match=f"semeion.data is damaged: {problem}.*; remove it"):
        read_semeion(file, hashlib.md5(text.encode()).hexdigest(), remedy="remove it")
