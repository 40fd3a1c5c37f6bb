"""What a file may be, and how much of it is unpacked."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from laaf_lightning.data.images.formats import (
    DamagedFileError,
    UnreadableFileError,
    file_md5,
    read_cifar,
    read_content,
    read_idx,
    read_manifest,
    read_semeion,
    read_svhn,
)
from tests.data.images.formats import md5_of, refused_within

READERS: dict[str, Callable[[Path], object]] = {
    "cifar": lambda file: read_cifar(file, "labels"),
    "idx": lambda file: read_idx(file, 3),
    "manifest": lambda file: read_manifest(file.parent),
    "semeion": read_semeion,
    "svhn": read_svhn,
    "md5": file_md5,
}
each_reader = pytest.mark.parametrize("reader", READERS)


def socket_at(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(file))


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "it is a folder instead of a file"),
    "pipe": (os.mkfifo, "it is a named pipe instead of a file"),
    "socket": (socket_at, "it is a socket instead of a file"),
    "device without end": (lambda file: file.symlink_to("/dev/zero"), "it is a device instead of a file"),
    "device without content": (lambda file: file.symlink_to("/dev/null"), "it is a device instead of a file"),
}


@pytest.mark.parametrize("kind", NO_FILES)
@each_reader
def test_what_is_no_file_is_refused_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, kind: str
) -> None:
    make, problem = NO_FILES[kind]
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    file = Path("SHA256SUMS")
    make(file)
    with pytest.raises(DamagedFileError, match=f"SHA256SUMS is damaged: {problem}; .*") as caught:
        READERS[reader](file)
    assert caught.value.file == file


@each_reader
def test_file_that_may_not_be_read_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    file = tmp_path / "SHA256SUMS"
    file.write_bytes(b"content")

    def refuse(self: Path, mode: str = "r") -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableFileError, match=r"SHA256SUMS cannot be read \(Permission denied\): make it readable"):
        READERS[reader](file)


@pytest.mark.parametrize("reader", sorted(READERS.keys() - {"manifest"}))
def test_links_in_a_circle_are_named_with_the_reason(tmp_path: Path, reader: str) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    with pytest.raises(UnreadableFileError, match=r"/one cannot be read \(Too many levels of symbolic links\)"):
        READERS[reader](tmp_path / "one")


@pytest.mark.parametrize("reader", sorted(READERS.keys() - {"md5"}))
def test_zeros_without_end_are_unpacked_no_further_than_they_make_sense(tmp_path: Path, reader: str) -> None:
    (tmp_path / "SHA256SUMS").write_bytes(gzip.compress(bytes(200_000_000), 1))
    refused_within(4, lambda: READERS[reader](tmp_path / "SHA256SUMS"))


@pytest.mark.parametrize("more", [1, 200_000_000])
def test_gzip_is_unpacked_to_the_announced_size_and_a_byte(tmp_path: Path, more: int) -> None:
    file = tmp_path / "images"
    file.write_bytes(gzip.compress(bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28)) + bytes(1568 + more), 1))
    assert "it has trailing bytes" in refused_within(4, lambda: read_idx(file, 3))


def test_announced_size_that_no_images_have_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    header = bytes((0, 0, 8, 3, 0, 1, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0))
    file = tmp_path / "images"
    file.write_bytes(gzip.compress(header + bytes(100_000_000), 1))
    problem = f"it announces {2**36} bytes, more than 100 times its size"
    assert problem in refused_within(2, lambda: read_idx(file, 3))
    file.write_bytes(header + bytes(100))
    assert f"truncated: 116 bytes where its header announces {2**36 + 16}" in refused_within(
        2, lambda: read_idx(file, 3)
    )


@pytest.mark.parametrize("sizes", [(1, 7, 0, 92), (100,), (30, 70)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_content_is_what_the_file_holds_in_any_pieces(
    tmp_path: Path, pack: Callable[[bytes], bytes], sizes: tuple[int, ...]
) -> None:
    expected = os.urandom(100)
    file = tmp_path / "file"
    file.write_bytes(pack(expected))
    with read_content(file, md5_of(expected)) as content:
        assert b"".join(bytes(content.read(size)) for size in sizes) == expected
        assert content.position == 100


def test_more_than_a_chunk_is_read_and_its_checksum_compared(tmp_path: Path) -> None:
    expected = os.urandom(3_000_001)
    file = tmp_path / "file"
    for packed in (expected, gzip.compress(expected[:5], 1) + gzip.compress(expected[5:], 1)):
        file.write_bytes(packed)
        with read_content(file, md5_of(expected)) as content:
            content.skip(2)
            assert bytes(content.read(2_900_000)) == expected[2:2_900_002]
            assert content.values(99_999).tobytes() == expected[2_900_002:]
        with (
            pytest.raises(DamagedFileError, match=r"file is damaged: its content has MD5 .*, the published one"),
            read_content(file, md5_of(b"other")) as content,
        ):
            content.skip(3_000_001)
        assert file_md5(file) == hashlib.md5(packed).hexdigest()


def test_content_that_is_not_read_to_its_end_has_trailing_bytes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content and more")
    problem = "file is damaged: it has 9 trailing bytes; "
    with pytest.raises(DamagedFileError, match=problem), read_content(file) as content:
        content.read(7)


def test_members_of_gzip_are_read_in_turn_and_zeros_between_them_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "three"
    file.write_bytes(gzip.compress(b"one,") + gzip.compress(b"") + bytes(100_000) + gzip.compress(b"two") + bytes(9))
    with read_content(file) as content:
        assert content.line(100) == b"one,two"


@pytest.mark.parametrize(
    ("packed", "problem"),
    [
        (gzip.compress(b"one") + gzip.compress(b"") * 100_000, "more than 1000 members"),
        (gzip.compress(b"one") + b"more", "incorrect header check"),
        (b"\x1f\x8b\x08\x08" + bytes(5) + b"\xff" + b"name" * 5_000_000, "it ends within a member"),
    ],
    ids=[
        "members",
        "trailing",
        "name",
    ],  # packed bytes hold the time, and would differ between workers
)
def test_a_gzip_file_that_only_takes_time_is_refused(tmp_path: Path, packed: bytes, problem: str) -> None:
    file = tmp_path / "packed"
    file.write_bytes(packed)
    with pytest.raises(DamagedFileError, match=problem), read_content(file) as content:
        content.line(100)
