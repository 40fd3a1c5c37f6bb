from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from laaf_lightning.data.images.archive import read_archive
from laaf_lightning.data.images.formats import DamagedFileError
from tests.data.images.formats import refused_within

CONTENTS = {f"folder/{name}": np.random.default_rng(size).bytes(size) for name, size in (("a", 512), ("b", 1300))}
CONTENTS["folder/empty"] = b""


def archive_of(entries: dict[str, bytes | tarfile.TarInfo], mode: str = "w", format: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=format) as tar:  # type: ignore[call-overload]
        for name, entry in entries.items():
            info = tarfile.TarInfo(name) if isinstance(entry, bytes) else entry
            info.mtime = 1.5  # a fraction makes an extended header
            if isinstance(entry, bytes):
                info.size = len(entry)
            tar.addfile(info, io.BytesIO(entry) if isinstance(entry, bytes) else None)
    return file.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def read(file: Path, names: tuple[str, ...] = tuple(CONTENTS)) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def take(name: str, content: object) -> None:
        found[name] = b"".join(content)  # type: ignore[arg-type]

    read_archive(file, names, take)
    return found


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_archive_gives_back_what_tarfile_packed(tmp_path: Path, mode: str, format: int) -> None:
    others: dict[str, bytes | tarfile.TarInfo] = {
        "readme": b"text",
        "folder/" + 150 * "long": b"x" * 600,
        "folder": special("folder", tarfile.DIRTYPE),
    }
    if format == tarfile.USTAR_FORMAT:
        del others["folder/" + 150 * "long"]
    file = tmp_path / "archive"
    file.write_bytes(archive_of({**others, **CONTENTS, "last": b"z"}, mode, format))
    assert read(file) == CONTENTS
    assert read(file, ("folder/b",)) == {"folder/b": CONTENTS["folder/b"]}


def test_long_folder_is_part_of_the_name(tmp_path: Path) -> None:
    name = 30 * "deep/" + "a"
    (tmp_path / "archive").write_bytes(archive_of({name: b"content"}, format=tarfile.USTAR_FORMAT))
    assert read(tmp_path / "archive", (name,)) == {name: b"content"}


def test_content_that_nobody_takes_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(archive_of(dict(CONTENTS)))
    names: list[str] = []
    read_archive(tmp_path / "archive", CONTENTS, lambda name, content: names.append(name))
    assert names == list(CONTENTS)


def with_size(size: bytes) -> bytes:
    """An archive whose first header announces another size, with the right checksum."""
    content = bytearray(archive_of({"folder/a": b"x" * 600}, format=tarfile.USTAR_FORMAT))
    content[124:136] = size.ljust(12, b"\0")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    return bytes(content)


A_HEADER = archive_of({"other": b""}, format=tarfile.USTAR_FORMAT)[:512]
WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "symbolic link": (lambda: archive_of({"folder/a": special("folder/a", b"2", "/etc/passwd")}), "is a symbolic link"),
    "link to itself": (lambda: archive_of({"folder/a": special("folder/a", b"1", "folder/a")}), "is a link instead"),
    "pipe": (lambda: archive_of({"folder/a": special("folder/a", b"6")}), "its folder/a is a pipe instead of a file"),
    "device": (lambda: archive_of({"folder/a": special("folder/a", b"3")}), "its folder/a is a device instead of"),
    "folder": (lambda: archive_of({"x": special("folder/a", b"5")}), "its folder/a is a folder instead of a file"),
    "twice": (lambda: archive_of(CONTENTS | {"x": special("folder/a", b"0")}), "it holds folder/a twice"),
    "cut": (lambda: archive_of(dict(CONTENTS))[:700], "it is truncated"),
    "cut header": (lambda: archive_of(dict(CONTENTS))[:100], "it is no sound tar archive: it ends within a header"),
    "text": (lambda: b"<html>not found</html>" * 100, "it is no sound tar archive: a number in a header is none"),
    "flipped": (lambda: b"F" + archive_of(dict(CONTENTS), format=0)[1:], "a header's checksum is wrong"),
    "negative size": (lambda: with_size(b"\xff" * 12), "a number in a header is none"),
    "huge size": (lambda: with_size(b"77777777777"), "it is truncated: 10240 bytes where"),
    "huge packed size": (lambda: gzip.compress(with_size(b"77777777777")), "more than 100 times its size"),
    "gzip cut": (lambda: archive_of(dict(CONTENTS), "w:gz")[:-20], "its gzip stream is broken"),
    "bomb": (lambda: gzip.compress(A_HEADER * 200_000, 1), "it has more than 1000 members"),
    "zeros": (lambda: gzip.compress(bytes(200_000_000), 1), "it unpacks to more than 100 times its size"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_archive_is_one_error_that_names_it(tmp_path: Path, name: str) -> None:
    content, problem = WRONG[name]
    (tmp_path / "archive.tar.gz").write_bytes(content())
    sentence = refused_within(8, lambda: read(tmp_path / "archive.tar.gz"))
    assert sentence.startswith(f"{tmp_path}/archive.tar.gz is damaged: ")
    assert problem in sentence


def test_what_goes_wrong_outside_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(archive_of(dict(CONTENTS)))

    def refuse(name: str, content: object) -> None:
        raise DamagedFileError("inner", "it is wrong", "mend it")

    with pytest.raises(DamagedFileError, match=r"^inner is damaged"):
        read_archive(tmp_path / "archive", CONTENTS, refuse)
