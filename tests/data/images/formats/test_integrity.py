from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from laaf_lightning.data.images.formats import read_manifest, write_manifest


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
