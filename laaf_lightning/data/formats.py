"""Readers of published data formats that refuse whatever is damaged."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError

FETCH_AGAIN = "delete it and run again to fetch it anew, or put the published file in its place"
_UNSIGNED_BYTE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"


class DamagedFileError(ConfigurationError):
    """A data file whose content is not what it must be.

    Args:
        file: the file, or words that name several.
        problem: what is wrong with its content.
        remedy: what to do about it.

    Example:
        >>> print(DamagedFileError("train-labels", "it is empty", "delete it"))
        train-labels is damaged: it is empty; delete it
    """

    def __init__(self, file: Path | str, problem: str, remedy: str) -> None:
        super().__init__(f"{file} is damaged: {problem}; {remedy}")
        self.problem = problem


@dataclass(frozen=True)
class LabeledImages:
    """Images with their labels.

    Args:
        images: uint8, shape (N, C, H, W), 0 to 255.
        labels: int64, shape (N,), from 0.
        source: the files they came from, in words, for messages.
    """

    images: Tensor
    labels: Tensor
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, indices: Tensor) -> LabeledImages:
        return LabeledImages(self.images[indices], self.labels[indices], self.source)


def check_images(
    data: LabeledImages, num_classes: int, in_channels: int, image_size: int, remedy: str = FETCH_AGAIN
) -> None:
    """Check that images and labels belong together and to a data set.

    Args:
        data: what was read.
        num_classes: labels must be 0 to ``num_classes`` - 1.
        in_channels: C of the set.
        image_size: height and width of the set in pixels.
        remedy: what to do about damage.

    Raises:
        DamagedFileError: if a size, a count or a label is wrong.
    """
    if len(data.images) != len(data.labels):
        problem = f"it holds {len(data.images)} images but {len(data.labels)} labels"
        raise DamagedFileError(data.source, problem, remedy)
    shape, expected = tuple(data.images.shape[1:]), (in_channels, image_size, image_size)
    if shape != expected:
        raise DamagedFileError(data.source, f"its images have shape {shape} instead of {expected}", remedy)
    low, high = int(data.labels.min()), int(data.labels.max())
    if low < 0 or high >= num_classes:
        problem = f"its labels run from {low} to {high} instead of within 0 to {num_classes - 1}"
        raise DamagedFileError(data.source, problem, remedy)


def check_md5(file: Path | str, content: bytes, md5: str, remedy: str = FETCH_AGAIN) -> None:
    """Compare content with its published checksum.

    Args:
        file: the file that held the content.
        content: the content, uncompressed.
        md5: the published MD5 in hexadecimal.
        remedy: what to do about damage.

    Raises:
        DamagedFileError: if the two differ.
    """
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        problem = f"its content has MD5 {found}, the published one {md5}"
        raise DamagedFileError(file, problem, f"{remedy}, or set verify to false if it is meant to be another set")


def read_content(file: Path, remedy: str = FETCH_AGAIN) -> bytes:
    """Read a file, unpacking gzip by its first two bytes, whatever the file's name.

    Args:
        file: a file that exists.
        remedy: what to do about damage.

    Returns:
        The uncompressed content.

    Raises:
        DamagedFileError: if the file is empty or its gzip stream is broken.
    """
    content = file.read_bytes()
    if not content:
        raise DamagedFileError(file, "it is empty", remedy)
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedFileError(file, f"its gzip stream is broken ({error})", remedy) from error


def read_idx(file: Path, dimensions: int, md5: str | None = None, remedy: str = FETCH_AGAIN) -> Tensor:
    """Read unsigned bytes in the IDX format of MNIST, plain or gzipped.

    The format is two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as a
    big-endian 32-bit integer, then the values in C order (http://yann.lecun.com/exdb/mnist/).

    Args:
        file: a file that exists.
        dimensions: how many dimensions it must have: 3 for images, 1 for labels.
        md5: the MD5 that its uncompressed content must have; ``None`` leaves that unchecked.
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
    if md5 is not None:
        check_md5(file, content, md5, remedy)
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy())


def read_semeion(file: Path, md5: str | None = None, remedy: str = FETCH_AGAIN) -> LabeledImages:
    """Read ``semeion.data``: a line per digit, 256 pixels of a 16 × 16 image, then ten labels of which one is 1.

    Args:
        file: a file that exists.
        md5: the MD5 that its content must have; ``None`` leaves that unchecked.
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
    if md5 is not None:
        check_md5(file, content, md5, remedy)
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
