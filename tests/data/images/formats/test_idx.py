from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from laaf_lightning.data.images.formats import DamagedFileError, read_idx
from tests.data.images.formats import md5_of

VALUES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_gives_back_what_was_written(
    tmp_path: Path, idx_bytes: Callable[..., bytes], pack: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "images"
    file.write_bytes(pack(idx_bytes(VALUES)))
    read = read_idx(file, 3, md5_of(idx_bytes(VALUES)))
    assert read.dtype == torch.uint8
    np.testing.assert_array_equal(read.numpy(), VALUES)


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda content: b"", "it is empty"),
    "header cut": (lambda content: content[:9], "does not start as IDX bytes of 3 dimensions"),
    "magic": (lambda content: b"\x00\x00\x09" + content[3:], "does not start as IDX .* four: 00000903"),
    "dimensions": (lambda content: content[:3] + b"\x01" + content[4:], "does not start as IDX"),
    "truncated": (lambda content: content[:-5], "truncated: 35 bytes where its header announces 40"),
    "trailing": (lambda content: content + b"xyz", "3 trailing bytes"),
    "no items": (lambda content: content[:4] + bytes(4) + content[8:16], r"shape \(0, 3, 4\), which holds nothing"),
    "flipped": (lambda content: content[:-1] + b"\xff", "its content has MD5 .*, the published one "),
    "gzip cut": (lambda content: gzip.compress(content)[:-9], "its gzip stream is broken"),
    "gzip flipped": (lambda content: gzip.compress(content)[:-5] + b"\0" * 5, "its gzip stream is broken"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_idx_is_refused_with_file_problem_and_remedy(
    tmp_path: Path, idx_bytes: Callable[..., bytes], name: str
) -> None:
    damage, problem = DAMAGE[name]
    content = idx_bytes(VALUES)
    file = tmp_path / "train-images"
    file.write_bytes(damage(content))
    with pytest.raises(DamagedFileError, match=rf"train-images is damaged: .*{problem}.*; delete it and run again"):
        read_idx(file, 3, md5_of(content))
