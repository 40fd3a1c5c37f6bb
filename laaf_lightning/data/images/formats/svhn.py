"""The cropped digits of SVHN, MATLAB files of version 5."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch

from laaf_lightning.data.images.formats.integrity import FETCH_AGAIN, Checksum, DamagedFileError, read_content
from laaf_lightning.data.images.formats.labeled_images import LabeledImages

_DIGIT_ZERO = 10


def read_svhn(file: Path, checksum: Checksum | None = None, remedy: str = FETCH_AGAIN) -> LabeledImages:
    """Read ``X``, uint8 (32, 32, 3, N), and ``y``, the digits 1 to 10 of shape (N, 1), where 10 stands for 0.

    The format is that of http://ufldl.stanford.edu/housenumbers, read by ``scipy.io.loadmat``.

    Args:
        file: a file that exists.
        checksum: what its content must have; ``None`` leaves that unchecked.
        remedy: what to do about damage.

    Returns:
        The images in the file's order, the digit 0 with label 0.

    Raises:
        DamagedFileError: if it is no such file, or its arrays or checksum are wrong.
    """
    content = read_content(file, remedy)
    if checksum is not None:
        checksum.check(file, content, remedy)
    arrays = _load(file, remedy)
    pixels, digits = (arrays.get(name) for name in ("X", "y"))
    if pixels is None or pixels.dtype != np.uint8 or pixels.ndim != 4:
        actual = "nothing" if pixels is None else f"{pixels.dtype} of shape {pixels.shape}"
        raise DamagedFileError(file, f"its X is {actual} instead of uint8 of shape (32, 32, 3, N)", remedy)
    if digits is None or digits.dtype.kind not in "iuf" or digits.size != digits.shape[0]:
        actual = "nothing" if digits is None else f"{digits.dtype} of shape {digits.shape}"
        raise DamagedFileError(file, f"its y is {actual} instead of whole numbers of shape (N, 1)", remedy)
    labels = digits.reshape(-1).astype(np.int64)
    if not np.array_equal(labels, digits.reshape(-1)) or not ((labels >= 1) & (labels <= _DIGIT_ZERO)).all():
        problem = f"its labels run from {digits.min()} to {digits.max()} instead of 1 to {_DIGIT_ZERO}"
        raise DamagedFileError(file, problem, remedy)
    images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(3, 2, 0, 1)))
    return LabeledImages(images, torch.from_numpy(labels % _DIGIT_ZERO), str(file))


def _load(file: Path, remedy: str) -> dict[str, np.ndarray]:
    from scipy.io import loadmat  # noqa: PLC0415  # a slow import that only this set needs

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # scipy only warns about variables that it cannot read
            loaded = loadmat(str(file), appendmat=False)
    # scipy raises nearly anything on a damaged file, MemoryError on a damaged length included.
    except Exception as error:
        raise DamagedFileError(file, f"scipy cannot read it ({type(error).__name__}: {error})", remedy) from error
    return {name: value for name, value in loaded.items() if isinstance(value, np.ndarray)}
