"""Writes image sets in the exact formats in which they are published, of any size, with contents made up.

    python -m tests.data.images.published FOLDER            # all sets at full size, about 0.8 GB
    python -m tests.data.images.published FOLDER --train 200 --test 50

The pictures of a class are noise around a pattern of its own, so that a network can learn them.
"""

from __future__ import annotations

import argparse
import gzip
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.io import savemat

Bytes = npt.NDArray[np.uint8]
Count = tuple[int, int]


def pictures(count: int, classes: int, shape: tuple[int, ...], seed: int) -> tuple[Bytes, Bytes]:
    """Make images (count, *shape) and their labels, every class as often as any other, in random order."""
    random = np.random.default_rng(seed)
    patterns = np.random.default_rng(classes).integers(0, 160, (classes, *shape), dtype=np.uint8)
    labels = random.permutation(np.arange(count) % classes).astype(np.uint8)
    return patterns[labels] + random.integers(0, 96, (count, *shape), dtype=np.uint8), labels


def idx(values: Bytes) -> bytes:
    header = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">u4").tobytes()
    return header + values.tobytes()


def write_idx_set(root: Path, folder: str, count: Count = (60_000, 10_000)) -> None:
    """Write MNIST, KMNIST or FashionMNIST: four gzipped files in ``<folder>/raw``."""
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    for seed, (name, number) in enumerate(zip(("train", "t10k"), count, strict=True)):
        images, labels = pictures(number, 10, (28, 28), seed)
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            # Level 1: recompressing noise well takes minutes and saves nothing.
            (raw / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(values), 1, mtime=0))


def python2_pickle(batch: Mapping[str, object]) -> bytes:
    """Pickle as Python 2 and numpy 1 did (protocol 2, byte strings), which today's pickle cannot write."""
    return b"\x80\x02" + _pickled(dict(batch)) + b"."


def _pickled(value: object) -> bytes:
    if isinstance(value, str):
        raw = value.encode("latin1")
        return b"U" + bytes((len(raw),)) + raw if len(raw) < 256 else b"T" + struct.pack("<i", len(raw)) + raw
    if isinstance(value, int):
        return b"K" + bytes((value,)) if 0 <= value < 256 else b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(_pickled, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_pickled(key) + _pickled(item) for key, item in value.items()) + b"u"
    assert isinstance(value, np.ndarray)
    assert value.dtype == np.uint8
    array = b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + b"K\x00\x85U\x01b\x87R"
    shape = b"(" + b"".join(_pickled(int(size)) for size in value.shape) + b"t"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    raw = value.tobytes()
    return array + b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"


def write_cifar10(root: Path, count: Count = (50_000, 10_000)) -> None:
    """Write ``cifar-10-batches-py``: five training batches and a test batch."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    images, labels = pictures(count[0], 10, (3072,), 0)
    for number, (part, its_labels) in enumerate(zip(np.split(images, 5), np.split(labels, 5), strict=True), start=1):
        _write_batch(folder / f"data_batch_{number}", part, {"labels": its_labels})
    images, labels = pictures(count[1], 10, (3072,), 1)
    _write_batch(folder / "test_batch", images, {"labels": labels})


def write_cifar100(root: Path, count: Count = (50_000, 10_000)) -> None:
    """Write ``cifar-100-python``: one training and one test batch."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for seed, (name, number) in enumerate(zip(("train", "test"), count, strict=True)):
        images, labels = pictures(number, 100, (3072,), seed)
        _write_batch(folder / name, images, {"fine_labels": labels, "coarse_labels": labels // 5})


def _write_batch(file: Path, images: Bytes, labels: dict[str, Bytes]) -> None:
    names = [f"picture_{number:05d}.png" for number in range(len(images))]
    listed = {key: values.tolist() for key, values in labels.items()}
    file.write_bytes(python2_pickle({"batch_label": file.name, **listed, "data": images, "filenames": names}))


def write_svhn(root: Path, count: Count = (73_257, 26_032)) -> None:
    """Write ``SVHN/train_32x32.mat`` and ``test_32x32.mat``, the digit 0 with label 10."""
    folder = root / "SVHN"
    folder.mkdir(parents=True)
    for seed, (name, number) in enumerate(zip(("train", "test"), count, strict=True)):
        images, labels = pictures(number, 10, (32, 32, 3), seed)
        digits = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        arrays = {"X": images.transpose(1, 2, 3, 0), "y": digits}
        savemat(folder / f"{name}_32x32.mat", arrays, do_compression=True)


WRITERS: dict[str, Callable[[Path, Count], None]] = {
    "mnist": lambda root, count: write_idx_set(root, "MNIST", count),
    "kmnist": lambda root, count: write_idx_set(root, "KMNIST", count),
    "fashion_mnist": lambda root, count: write_idx_set(root, "FashionMNIST", count),
    "cifar10": write_cifar10,
    "cifar100": write_cifar100,
    "svhn": write_svhn,
}
FULL_SIZE: dict[str, Count] = {"cifar10": (50_000, 10_000), "cifar100": (50_000, 10_000), "svhn": (73_257, 26_032)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", choices=WRITERS, default=list(WRITERS))
    parser.add_argument("--train", type=int, help="training images; the published number by default")
    parser.add_argument("--test", type=int, help="test images; the published number by default")
    arguments = parser.parse_args()
    for name in arguments.sets:
        train, test = FULL_SIZE.get(name, (60_000, 10_000))
        WRITERS[name](arguments.folder, (arguments.train or train, arguments.test or test))


if __name__ == "__main__":
    main()
