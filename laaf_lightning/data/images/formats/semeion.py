"""The text format of Semeion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from laaf_lightning.data.images.formats.content import Content, UnexpectedContentError, read_content
from laaf_lightning.data.images.formats.integrity import FETCH_AGAIN, Checksum
from laaf_lightning.data.images.formats.labeled_images import LabeledImages

_LINE_BYTES = 1 << 14  # 266 numbers of 60 characters


def read_semeion(file: Path, checksum: Checksum | None = None, remedy: str = FETCH_AGAIN) -> LabeledImages:
    """Read ``semeion.data``: a line per digit, 256 pixels of a 16 × 16 image, then ten labels of which one is 1.

    Args:
        file: a file that exists.
        checksum: what its content must have; ``None`` leaves that unchecked.
        remedy: what to do about damage.

    Returns:
        The digits in the file's order; strokes are 255, the ground is 0.

    Raises:
        DamagedFileError: if a line, a value or the checksum is wrong.
    """
    with read_content(file, checksum, remedy) as content:
        rows = _rows(content)
    images = torch.from_numpy(rows[:, :256].reshape(-1, 1, 16, 16) * np.uint8(255))
    return LabeledImages(images, torch.from_numpy(rows[:, 256:].argmax(axis=1)), str(file))


def _rows(content: Content) -> npt.NDArray[np.uint8]:
    rows: list[npt.NDArray[np.uint8]] = []
    while line := content.line(_LINE_BYTES):
        rows.append(_semeion_row(len(rows) + 1, line))
    if not rows:
        raise UnexpectedContentError("it is empty")
    return np.stack(rows)


def _semeion_row(number: int, line: bytes) -> npt.NDArray[np.uint8]:
    if not line.endswith(b"\n"):
        raise UnexpectedContentError("its last line is cut off")
    try:
        row = np.array(line.split(), dtype=np.float64)
    except ValueError as error:
        raise UnexpectedContentError(f"line {number} holds something that is not a number") from error
    if row.shape != (266,):
        raise UnexpectedContentError(f"line {number} has {row.size} values instead of 266")
    if not np.isin(row, (0.0, 1.0)).all() or row[256:].sum() != 1:
        raise UnexpectedContentError(f"line {number} is not 256 pixels of 0 or 1 and one label out of ten")
    return row.astype(np.uint8)
