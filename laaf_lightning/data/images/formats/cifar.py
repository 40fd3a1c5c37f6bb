"""The python batches of CIFAR-10 and CIFAR-100."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from laaf_lightning.data.images.formats.content import Content, UnexpectedContentError, read_content
from laaf_lightning.data.images.formats.integrity import FETCH_AGAIN, Checksum
from laaf_lightning.data.images.formats.labeled_images import LabeledImages
from laaf_lightning.data.images.formats.pickled import read_pickle
from laaf_lightning.data.images.formats.pickled_arrays import PickledArray

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_HIGHEST_LABEL = 1 << 31


def read_cifar(
    file: Path, label_key: str, checksum: Checksum | None = None, remedy: str = FETCH_AGAIN
) -> LabeledImages:
    """Read one python batch: a pickled dictionary with ``data``, uint8 (N, 3072), and labels.

    The format is that of https://www.cs.toronto.edu/~kriz/cifar.html: red, green and blue planes of 32 × 32 in turn.
    The pickle is read by a reader of our own, which calls nothing that the file names.

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
    with read_content(file, checksum, remedy) as content:
        images, labels = _images_and_labels(_batch(content), label_key)
    return LabeledImages(images, labels, str(file))


def _batch(content: Content) -> dict[Any, Any]:
    try:
        batch = read_pickle(content)
    except UnexpectedContentError as error:
        raise UnexpectedContentError(f"it cannot be unpickled: {error}") from error
    if not isinstance(batch, dict):
        raise UnexpectedContentError(f"it holds a {type(batch).__name__} instead of a dictionary")
    return batch


def _images_and_labels(batch: dict[Any, Any], label_key: str) -> tuple[Tensor, Tensor]:
    data, labels = (batch.get(key.encode(), batch.get(key)) for key in ("data", label_key))
    if not isinstance(data, PickledArray):
        raise UnexpectedContentError(f"its data is {type(data).__name__} instead of uint8 of shape (N, {_PIXELS})")
    images = torch.from_numpy(data.bytes_of(_PIXELS).reshape(-1, *_SHAPE).copy())
    if not isinstance(labels, list) or not all(
        isinstance(label, int) and -_HIGHEST_LABEL <= label < _HIGHEST_LABEL for label in labels
    ):
        raise UnexpectedContentError(f"it has no list of whole numbers under {label_key!r}")
    return images, torch.tensor(labels, dtype=torch.int64)
