"""The cropped digits of SVHN, MATLAB files of version 5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from laaf_lightning.data.images.formats.content import UnexpectedContentError, read_content
from laaf_lightning.data.images.formats.integrity import FETCH_AGAIN, Checksum
from laaf_lightning.data.images.formats.labeled_images import LabeledImages
from laaf_lightning.data.images.formats.mat import MatReader

_DIGIT_ZERO = 10


def read_svhn(file: Path, checksum: Checksum | None = None, remedy: str = FETCH_AGAIN) -> LabeledImages:
    """Read ``X``, uint8 (32, 32, 3, N), and ``y``, the digits 1 to 10 of shape (N, 1), where 10 stands for 0.

    The format is that of http://ufldl.stanford.edu/housenumbers. It is read without SciPy, whose reader trusts the
    lengths that a file announces and ends the process on some damaged ones.

    Args:
        file: a file that exists.
        checksum: what its content must have; ``None`` leaves that unchecked.
        remedy: what to do about damage.

    Returns:
        The images in the file's order, the digit 0 with label 0.

    Raises:
        DamagedFileError: if it is no such file, or its arrays or checksum are wrong.
    """
    with read_content(file, checksum, remedy) as content:
        arrays = MatReader(content).variables(("X", "y"))
        images, labels = _images(arrays.get("X")), _labels(arrays.get("y"))
    return LabeledImages(torch.from_numpy(images), torch.from_numpy(labels), str(file))


def _images(pixels: npt.NDArray[Any] | None) -> npt.NDArray[np.uint8]:
    if pixels is None or pixels.dtype != np.uint8 or pixels.ndim != 4:
        raise UnexpectedContentError(f"its X is {_described(pixels)} instead of uint8 of shape (32, 32, 3, N)")
    return np.ascontiguousarray(pixels.transpose(3, 2, 0, 1))


def _labels(digits: npt.NDArray[Any] | None) -> npt.NDArray[np.int64]:
    if digits is None or digits.size != digits.shape[0] or not digits.size:
        raise UnexpectedContentError(f"its y is {_described(digits)} instead of whole numbers of shape (N, 1)")
    column = digits.reshape(-1)
    if not ((column >= 1) & (column <= _DIGIT_ZERO) & (column == np.floor(column))).all():
        problem = f"its labels run from {column.min()} to {column.max()} instead of 1 to {_DIGIT_ZERO}"
        raise UnexpectedContentError(problem)
    return column.astype(np.int64) % _DIGIT_ZERO


def _described(array: npt.NDArray[Any] | None) -> str:
    return "nothing" if array is None else f"{array.dtype.name} of shape {array.shape}"
