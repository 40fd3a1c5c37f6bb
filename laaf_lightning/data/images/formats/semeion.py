"""The text format of Semeion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from laaf_lightning.data.images.formats.integrity import FETCH_AGAIN, Checksum, DamagedFileError, read_content
from laaf_lightning.data.images.formats.labeled_images import LabeledImages


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
    content = read_content(file, remedy)
    lines = content.splitlines()
    if not lines or not content.endswith(b"\n"):
        raise DamagedFileError(file, "its last line is cut off", remedy)
    rows = np.stack([_semeion_row(file, number, line, remedy) for number, line in enumerate(lines, start=1)])
    if checksum is not None:
        checksum.check(file, content, remedy)
    images = torch.from_numpy(rows[:, :256].reshape(-1, 1, 16, 16) * np.uint8(255))
    return LabeledImages(images, torch.from_numpy(rows[:, 256:].argmax(axis=1)), str(file))


def _semeion_row(file: Path, number: int, line: bytes, remedy: str) -> npt.NDArray[np.uint8]:
    try:
        row = np.array(line.split(), dtype=np.float64)
    except ValueError as error:
        raise DamagedFileError(file, f"line {number} holds something that is not a number", remedy) from error
    if row.shape != (266,):
        raise DamagedFileError(file, f"line {number} has {row.size} values instead of 266", remedy)
    if not np.isin(row, (0.0, 1.0)).all() or row[256:].sum() != 1:
        raise DamagedFileError(file, f"line {number} is not 256 pixels of 0 or 1 and one label out of ten", remedy)
    return row.astype(np.uint8)
