"""The IDX format of MNIST and its relatives."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from laaf_lightning.data.images.formats.integrity import FETCH_AGAIN, Checksum, DamagedFileError, read_content

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
    content = read_content(file, remedy)
    start = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, _UNSIGNED_BYTE, dimensions)) or len(content) < start:
        problem = f"it does not start as IDX bytes of {dimensions} dimensions do (its first four: {content[:4].hex()})"
        raise DamagedFileError(file, problem, remedy)
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4)]
    expected = start + math.prod(shape)
    if len(content) < expected:
        problem = f"it is truncated: {len(content)} bytes where its header announces {expected}"
        raise DamagedFileError(file, problem, remedy)
    if len(content) > expected:
        raise DamagedFileError(file, f"it has {len(content) - expected} trailing bytes", remedy)
    if expected == start:
        raise DamagedFileError(file, f"its header announces shape {tuple(shape)}, which holds nothing", remedy)
    if checksum is not None:
        checksum.check(file, content, remedy)
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy())
