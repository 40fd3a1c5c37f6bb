"""The IDX format of MNIST and its relatives."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from laaf_lightning.data.images.formats.content import Content, EndOfContentError, UnexpectedContentError, read_content
from laaf_lightning.data.images.formats.integrity import FETCH_AGAIN, Checksum

_UNSIGNED_BYTE = 0x08


def read_idx(file: Path, dimensions: int, checksum: Checksum | None = None, remedy: str = FETCH_AGAIN) -> Tensor:
    """Read unsigned bytes in the IDX format of MNIST, plain or gzipped.

    The format is two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as a
    big-endian 32-bit integer, then the values in C order (http://yann.lecun.com/exdb/mnist/).

    Args:
        file: a file that exists.
        dimensions: how many dimensions it must have: 3 for images, 1 for labels.
        checksum: what its uncompressed content must have; ``None`` leaves that unchecked.
        remedy: what to do about damage.

    Returns:
        A uint8 tensor of the shape that the header announces.

    Raises:
        DamagedFileError: if header, length or checksum is wrong.
    """
    with read_content(file, checksum, remedy) as content:
        return _values(content, dimensions)


def _values(content: Content, dimensions: int) -> Tensor:
    start = 4 + 4 * dimensions
    header = content.beginning(start)
    if header[:4] != bytes((0, 0, _UNSIGNED_BYTE, dimensions)) or len(header) < start:
        problem = f"it does not start as IDX bytes of {dimensions} dimensions do (its first four: {header[:4].hex()})"
        raise UnexpectedContentError(problem)
    shape = [int.from_bytes(header[at : at + 4], "big") for at in range(4, start, 4)]
    size = math.prod(shape)
    if not size:
        raise UnexpectedContentError(f"its header announces shape {tuple(shape)}, which holds nothing")
    try:
        values = content.values(size)
    except EndOfContentError as end:
        problem = f"it is truncated: {end.size} bytes where its header announces {start + size}"
        raise UnexpectedContentError(problem) from end
    return torch.from_numpy(values).reshape(shape)
