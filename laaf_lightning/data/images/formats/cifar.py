"""The python batches of CIFAR-10 and CIFAR-100, read by an unpickler that can build arrays and nothing else."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from laaf_lightning.data.images.formats.integrity import FETCH_AGAIN, Checksum, DamagedFileError, read_content
from laaf_lightning.data.images.formats.labeled_images import LabeledImages

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")  # its name in numpy 1, as in the published files, and in 2
_ALLOWED: dict[tuple[str, str], Any] = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}
_ALLOWED |= {(core, "_reconstruct"): np.empty(0).__reduce__()[0] for core in _CORE}


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles plain values and numpy arrays; a pickle that names anything else is refused, and nothing imported."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no CIFAR batch needs")
        return _ALLOWED[module, name]


def read_cifar(
    file: Path, label_key: str, checksum: Checksum | None = None, remedy: str = FETCH_AGAIN
) -> LabeledImages:
    """Read one python batch: a pickled dictionary with ``data``, uint8 (N, 3072), and labels.

    The format is that of https://www.cs.toronto.edu/~kriz/cifar.html: red, green and blue planes of 32 × 32 in turn.

    Args:
        file: a file that exists.
        label_key: ``"labels"`` for CIFAR-10, ``"fine_labels"`` for CIFAR-100.
        checksum: what its content must have; ``None`` leaves that unchecked.
        remedy: what to do about damage.

    Returns:
        The images in the file's order.

    Raises:
        DamagedFileError: if it is no such pickle, names other classes than numpy's arrays, has trailing bytes, or its
            arrays or checksum are wrong.
    """
    content = read_content(file, remedy)
    if checksum is not None:
        checksum.check(file, content, remedy)
    batch = _unpickle(file, content, remedy)
    data, labels = (batch.get(key.encode(), batch.get(key)) for key in ("data", label_key))
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != _PIXELS:
        actual = f"{data.dtype} of shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DamagedFileError(file, f"its data is {actual} instead of uint8 of shape (N, {_PIXELS})", remedy)
    if not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
        raise DamagedFileError(file, f"it has no list of whole numbers under {label_key!r}", remedy)
    images = torch.from_numpy(data.reshape(-1, *_SHAPE).copy())
    return LabeledImages(images, torch.tensor(labels, dtype=torch.int64), str(file))


def _unpickle(file: Path, content: bytes, remedy: str) -> dict[Any, Any]:
    stream = io.BytesIO(content)
    try:
        batch = _ArrayUnpickler(stream, encoding="bytes").load()
    # A damaged pickle can raise nearly anything: it is a program that builds objects.
    except Exception as error:
        raise DamagedFileError(file, f"it cannot be unpickled ({type(error).__name__}: {error})", remedy) from error
    if trailing := len(content) - stream.tell():
        raise DamagedFileError(file, f"it has {trailing} trailing bytes", remedy)
    if not isinstance(batch, dict):
        raise DamagedFileError(file, f"it holds a {type(batch).__name__} instead of a dictionary", remedy)
    return batch
