from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from laaf_lightning.data.images.formats import DamagedFileError, read_semeion
from tests.data.images.formats import md5_of


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
        read_semeion(file, md5_of(text.encode()), remedy="remove it")
