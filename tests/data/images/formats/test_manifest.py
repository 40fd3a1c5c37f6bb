from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from laaf_lightning.data.images.formats import DamagedFileError, read_manifest, write_manifest


def test_manifest_is_what_sha256sum_checks(tmp_path: Path) -> None:
    contents = {"images": b"some images", "labels": b"some labels"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    write_manifest(tmp_path, contents)
    done = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


def test_manifest_keeps_the_lines_of_other_files(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"images": b"old", "labels": b"labels"})
    write_manifest(tmp_path, {"images": b"new"})
    manifest = read_manifest(tmp_path)
    assert manifest["images"].digest == hashlib.sha256(b"new").hexdigest()
    assert manifest["labels"].fits(b"labels")
    assert [file.name for file in tmp_path.iterdir()] == ["SHA256SUMS"]


def test_folder_without_manifest_has_no_checksums(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe\n", "its line 1 is no UTF-8"),
        (b"abc\n", "its line 1 is not a SHA-256 in 64 hexadecimal digits and a file's name"),
        (b"0" * 64 + b"\n", "its line 1 is not a SHA-256"),
        (b"\n" + b"g" * 64 + b"  images\n", "its line 2 is not a SHA-256"),
        (b"0" * 63 + b"  images\n", "its line 1 is not a SHA-256"),
        (b"0" * 64 + b"  images\n" + b"1" * 64 + b"  images\n", "its line 2 gives images another checksum"),
        (b"0" * 10_000, "a line of it has more than 4096 bytes"),
        (b"\n" * 20_000, "it has more than 10000 lines"),
        (b"", "it is empty"),
        (bytes(100), "its line 1 is not a SHA-256"),
    ],
    ids=["bytes", "word", "no name", "letters", "short", "two", "long line", "many lines", "empty", "zeros"],
)
def test_manifest_that_is_none_is_refused_by_its_name(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "SHA256SUMS").write_bytes(content)
    with pytest.raises(
        DamagedFileError, match=f"{tmp_path}/SHA256SUMS is damaged: {problem}.*; remove it, or write it"
    ):
        read_manifest(tmp_path)


def test_manifest_of_another_hand_is_read(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"labels").hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"\n{digest.upper()} *my labels\r\n{digest}\timages")
    manifest = read_manifest(tmp_path)
    assert manifest.keys() == {"my labels", "images"}
    assert all(checksum.fits(b"labels") for checksum in manifest.values())
