"""Files out of a tar archive, plain or gzipped, in one pass; nothing else in it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeAlias

from laaf_lightning.data.images.formats import CHUNK_BYTES, Content, UnexpectedContentError, read_content

_BLOCK = 512
_MEMBERS = 1000  # the published ones have nine
_FILE_TYPES = (b"0", b"\0")
_KINDS = {b"1": "a link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"5": "a folder", b"6": "a pipe"}


Pieces: TypeAlias = Iterator[bytes | bytearray]


def read_archive(archive: Path, names: Collection[str], take: Callable[[str, Pieces], object]) -> None:
    """Go through an archive in the format of POSIX 1003.1, ustar.

    Blocks of 512 bytes: a header with the member's name, size and type, then its content. What extends the format,
    longer names for example, is passed over, and nothing is written: members cannot lead out of a folder.

    Args:
        archive: a file that exists.
        names: of the files that are wanted.
        take: is given the name of each of them that is there, and its content in pieces.

    Raises:
        DamagedFileError: if it is no such archive, or one of the names is no file or stands there twice.
    """
    with read_content(archive) as content:
        _read(content, names, take)
        while content.some():  # the rest is empty blocks; gzip's checksum comes after them
            pass


def _read(content: Content, names: Collection[str], take: Callable[[str, Pieces], object]) -> None:
    seen: set[str] = set()
    count = 0
    while any(header := content.beginning(_BLOCK)):
        if (count := count + 1) > _MEMBERS:
            raise UnexpectedContentError(f"it has more than {_MEMBERS} members")
        name, size, kind = _parsed(header)
        end = content.position + size
        if name in names:
            if name in seen:
                raise UnexpectedContentError(f"it holds {name} twice")
            seen.add(name)
            if kind not in _FILE_TYPES:
                raise UnexpectedContentError(f"its {name} is {_KINDS.get(kind, 'of another kind')} instead of a file")
            content.check_ahead(size)
            take(name, _pieces(content, size))
        content.skip(end - content.position)
        content.skip(-size % _BLOCK)


def _pieces(content: Content, size: int) -> Pieces:
    while size:
        piece = content.read(min(size, CHUNK_BYTES))
        size -= len(piece)
        yield piece


def _parsed(header: bytes) -> tuple[str, int, bytes]:
    """Take name, size and type from a member's header."""
    if len(header) < _BLOCK:
        raise UnexpectedContentError("it is no sound tar archive: it ends within a header")
    checked = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if _octal(header[148:156]) != checked:
        raise UnexpectedContentError("it is no sound tar archive: a header's checksum is wrong")
    parts = [header[345:500]] if header[257:262] == b"ustar" and header[345] else []
    name = b"/".join(part.split(b"\0", 1)[0] for part in (*parts, header[:100]))
    kind = header[156:157]
    size = _octal(header[124:136])
    return name.decode("utf-8", "replace").rstrip("/"), size if kind in _FILE_TYPES or kind not in _KINDS else 0, kind


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise UnexpectedContentError("it is no sound tar archive: a number in a header is none")
    return int(digits, 8)
