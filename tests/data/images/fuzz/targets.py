"""What is fuzzed: a reader, and good files for it, small and of every form that it takes."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.io import savemat

from laaf_lightning.data.images.archive import read_archive
from laaf_lightning.data.images.formats import read_cifar, read_idx, read_manifest, read_semeion, read_svhn
from tests.data.images.published import idx, python2_pickle

_RANDOM = np.random.default_rng(0)
_PIXELS = _RANDOM.integers(0, 256, (32, 32, 3, 2), dtype=np.uint8)
_DIGITS = np.array([[1], [10]], dtype=np.uint8)


class Target(NamedTuple):
    """A reader of a file, the name that the file must have, and good files.

    ``packed`` is done to a file after it was changed, so that changes reach what is compressed.
    """

    read: Callable[[Path], object]
    name: str
    files: tuple[bytes, ...]
    packed: Callable[[bytes], bytes] = bytes


def _cifar() -> tuple[bytes, ...]:
    batch = {"batch_label": "x", "labels": [3, 0], "data": _RANDOM.integers(0, 256, (2, 3072), dtype=np.uint8)}
    batch["filenames"] = ["a.png", "b.png"]
    python3 = tuple(pickle.dumps(batch, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1))
    return (python2_pickle(batch), *python3)


def _svhn() -> tuple[bytes, ...]:
    arrays: dict[str, object] = {"X": _PIXELS, "y": _DIGITS}
    other = {"note": "text", **arrays, "y": _DIGITS.astype(np.float64)}
    return tuple(_mat(which, packed) for which in (arrays, other) for packed in (False, True))


def _mat(arrays: dict[str, object], packed: bool) -> bytes:
    file = io.BytesIO()
    savemat(file, arrays, do_compression=packed)  # type: ignore[arg-type,unused-ignore]  # the stubs know of paths only
    return file.getvalue()


def _repacked_mat(content: bytes) -> bytes:
    """Compress the only variable of a file, whatever it has become, and add the digits."""
    packed = zlib.compress(content[128:])
    tag = (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little")
    return content[:128] + tag + packed + _mat({"y": _DIGITS}, False)[128:]


def _semeion() -> tuple[bytes, ...]:
    lines = []
    for label in (3, 7):
        pixels = " ".join(f"{pixel:.4f}" for pixel in _RANDOM.integers(0, 2, 256))
        lines.append(f"{pixels} {' '.join(str(int(label == digit)) for digit in range(10))}\n")
    content = "".join(lines).encode()
    return content, gzip.compress(content)


def _tar() -> tuple[bytes, ...]:
    made = []
    for mode in ("w", "w:gz"):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as tar:
            for name in ("folder/a", "folder/b", "c"):
                info = tarfile.TarInfo(name)
                info.size, info.mtime = 700, 1.5  # a fraction makes an extended header
                tar.addfile(info, io.BytesIO(_RANDOM.bytes(700)))
        made.append(file.getvalue())
    return tuple(made)


def _read_tar(file: Path) -> int:
    sizes: list[int] = []
    read_archive(file, ("folder/a", "c"), lambda name, content: sizes.append(sum(map(len, content))))
    return sum(sizes)


_IMAGES = idx(_RANDOM.integers(0, 256, (2, 28, 28), dtype=np.uint8))
_SUMS = "".join(f"{byte:064x}  name-{byte}\n" for byte in range(4)).encode()

TARGETS: dict[str, Target] = {
    "cifar": Target(lambda file: read_cifar(file, "labels"), "data_batch_1", _cifar()),
    "svhn": Target(read_svhn, "train_32x32.mat", _svhn()),
    "svhn_packed": Target(read_svhn, "train_32x32.mat", (_mat({"X": _PIXELS}, False),), _repacked_mat),
    "idx": Target(lambda file: read_idx(file, 3), "images", (_IMAGES, gzip.compress(_IMAGES))),
    "idx_packed": Target(lambda file: read_idx(file, 3), "images", (_IMAGES,), gzip.compress),
    "semeion": Target(read_semeion, "semeion.data", _semeion()),
    "manifest": Target(lambda file: read_manifest(file.parent), "SHA256SUMS", (_SUMS,)),
    "tar": Target(_read_tar, "archive.tar.gz", _tar()),
    "tar_packed": Target(_read_tar, "archive.tar.gz", _tar()[:1], gzip.compress),
}
