"""Sets whose files are none, or were made by somebody who means harm."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from laaf_lightning.data import DamagedFileError
from tests.data.images.sets.small_sets import Small, each_set, md5


@pytest.mark.parametrize("small", ["kmnist"], indirect=True)
def test_damaged_manifest_is_named_and_the_images_stay(small: Small) -> None:
    manifest = small.root / "KMNIST" / "raw" / "SHA256SUMS"
    manifest.write_bytes(b"\xff garbage\n")
    before = {file: file.read_bytes() for file in small.files}
    for data in (small.data(), small.data(download=False)):
        with pytest.raises(DamagedFileError, match="SHA256SUMS is damaged: its line 1 is no UTF-8; remove it"):
            data.prepare_data()
    assert {file: file.read_bytes() for file in small.files} == before
    small.data(verify=False, download=False).prepare_data()


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["pipe", "folder"])
@each_set
def test_what_is_no_file_is_one_error_and_set_aside_for_a_new_one(
    small: Small, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    mirror = small.mirror(tmp_path / "mirror")
    file = small.files[0]
    sound = file.read_bytes()
    file.unlink()
    make(file)
    with pytest.raises(DamagedFileError, match=rf"{file.name} is damaged: it is a .* instead of a file"):
        small.data(download=False).prepare_data()
    small.data(mirrors=[mirror]).prepare_data()
    assert file.read_bytes() == sound
    assert file.with_name(f"{file.name}.damaged").exists()


@pytest.mark.parametrize("small", ["cifar10"], indirect=True)
def test_archive_with_a_link_is_one_error_that_names_it(small: Small) -> None:
    archive = small.root / "cifar-10-python.tar.gz"
    small.files[-1].rename(small.root / "batch")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(small.root / small.module.folder, small.module.folder)
        link = tarfile.TarInfo(f"{small.module.folder}/test_batch")
        link.type, link.linkname = tarfile.SYMTYPE, "test_batch"
        tar.addfile(link)
    setattr(small.module, "archive_md5", md5(archive.read_bytes()))  # noqa: B010  # not every set's
    with pytest.raises(DamagedFileError, match=r"tar\.gz is damaged: its .*/test_batch is a symbolic link instead of"):
        small.data().prepare_data()


@pytest.mark.parametrize("small", ["cifar10"], indirect=True)
def test_archive_that_is_a_pipe_is_not_waited_for(small: Small) -> None:
    small.files[-1].unlink()
    os.mkfifo(small.root / "cifar-10-python.tar.gz")
    with pytest.raises(DamagedFileError, match=r"tar\.gz is damaged: it is a named pipe instead of a file"):
        small.data().prepare_data()
