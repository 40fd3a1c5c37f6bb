"""Files of the published formats, small and exact."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

IdxBytes = Callable[[npt.NDArray[np.uint8]], bytes]


@pytest.fixture
def idx_bytes() -> IdxBytes:
    def write(values: npt.NDArray[np.uint8]) -> bytes:
        header = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">u4").tobytes()
        return header + values.tobytes()

    return write


@pytest.fixture
def tiny_fashion(tmp_path: Path, idx_bytes: IdxBytes) -> Path:
    """A root whose FashionMNIST/raw holds 20 training and 7 test images, the images gzipped, the labels plain."""
    raw = tmp_path / "root" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, count in (("train", 20), ("t10k", 7)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images)))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return tmp_path / "root"
