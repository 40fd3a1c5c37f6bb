"""A folder's ``SHA256SUMS``: checksums of its files' contents, as ``sha256sum`` writes them."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Mapping
from pathlib import Path

from laaf_lightning.data.images.formats.content import Content, UnexpectedContentError, read_content
from laaf_lightning.data.images.formats.integrity import Checksum, is_there
from laaf_lightning.errors import ConfigurationError

MANIFEST = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(\S.*)")
_LINE_BYTES = 4096
_LINES = 10_000
_REMEDY = "remove it, or write it anew by sha256sum of the unpacked contents"


def read_manifest(folder: Path) -> dict[str, Checksum]:
    """Read the checksums of the files in a folder, as ``sha256sum`` writes them.

    Args:
        folder: may hold a file ``SHA256SUMS``.

    Returns:
        File name to checksum; empty without the file.

    Raises:
        DamagedFileError: if the file is none, or a line of it is no checksum and name, or contradicts another.
    """
    file = folder / MANIFEST
    if not is_there(file):
        return {}
    with read_content(file, remedy=_REMEDY) as content:
        return _checksums(content)


def write_manifest(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Add checksums to a folder's ``SHA256SUMS``, in one step.

    Args:
        folder: the folder.
        contents: file name to uncompressed content; files that are not named keep their line.

    Raises:
        ConfigurationError: if it cannot be written.
    """
    lines = {name: checksum.digest for name, checksum in read_manifest(folder).items()}
    lines |= {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    temporary = folder / f".{MANIFEST}.{uuid.uuid4().hex}.part"
    try:
        with temporary.open("w", encoding="utf-8") as out:
            out.writelines(f"{digest}  {name}\n" for name, digest in sorted(lines.items()))
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(folder / MANIFEST)
    except OSError as error:
        raise ConfigurationError(
            f"{folder / MANIFEST} cannot be written ({error.strerror}): make room there"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _checksums(content: Content) -> dict[str, Checksum]:
    checksums: dict[str, Checksum] = {}
    number = 0
    while line := content.line(_LINE_BYTES):
        number += 1
        if number > _LINES:
            raise UnexpectedContentError(f"it has more than {_LINES} lines")
        if line.strip():
            name, checksum = _parsed(line, number)
            if checksums.setdefault(name, checksum) != checksum:
                raise UnexpectedContentError(f"its line {number} gives {name} another checksum")
    return checksums


def _parsed(line: bytes, number: int) -> tuple[str, Checksum]:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise UnexpectedContentError(f"its line {number} is no UTF-8") from error
    matched = _LINE.fullmatch(text.rstrip())
    if matched is None:
        raise UnexpectedContentError(f"its line {number} is not a SHA-256 in 64 hexadecimal digits and a file's name")
    return matched[2], Checksum("sha256", matched[1].lower())
