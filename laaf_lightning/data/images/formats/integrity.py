"""What is wrong with a file, in one exception; checksums of content."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from laaf_lightning.errors import ConfigurationError

FETCH_AGAIN = "delete it and run again to fetch it anew, or put the published file in its place"
MANIFEST = "SHA256SUMS"
_GZIP_MAGIC = b"\x1f\x8b"


class DamagedFileError(ConfigurationError):
    """A data file whose content is not what it must be.

    Args:
        file: the file, or words that name several.
        problem: what is wrong with its content.
        remedy: what to do about it.

    Example:
        >>> print(DamagedFileError("train-labels", "it is empty", "delete it"))
        train-labels is damaged: it is empty; delete it
    """

    def __init__(self, file: Path | str, problem: str, remedy: str) -> None:
        super().__init__(f"{file} is damaged: {problem}; {remedy}")
        self.file = file
        self.problem = problem


@dataclass(frozen=True)
class Checksum:
    """A published checksum of a file's uncompressed content.

    Args:
        algorithm: ``"md5"``, as most sets publish, or ``"sha256"``, as our manifests have.
        digest: the checksum in hexadecimal.

    Example:
        >>> Checksum("md5", "d41d8cd98f00b204e9800998ecf8427e").fits(b"")
        True
    """

    algorithm: Literal["md5", "sha256"]
    digest: str

    def of(self, content: bytes) -> str:
        """Compute the checksum of other content.

        Args:
            content: any bytes.

        Returns:
            Hexadecimal digits.
        """
        return hashlib.new(self.algorithm, content, usedforsecurity=False).hexdigest()

    def fits(self, content: bytes) -> bool:
        """Tell whether content is the published one.

        Args:
            content: any bytes.

        Returns:
            Whether its checksum is this one.
        """
        return self.of(content) == self.digest

    def check(self, file: Path | str, content: bytes, remedy: str = FETCH_AGAIN) -> None:
        """Compare content with this checksum.

        Args:
            file: the file that held the content.
            content: the content, uncompressed.
            remedy: what to do about damage.

        Raises:
            DamagedFileError: if the two differ.
        """
        if (actual := self.of(content)) != self.digest:
            problem = f"its content has {self.algorithm.upper()} {actual}, the published one {self.digest}"
            raise DamagedFileError(file, problem, f"{remedy}, or set verify to false if it is meant to be another set")


def read_content(file: Path, remedy: str = FETCH_AGAIN) -> bytes:
    """Read a file, unpacking gzip by its first two bytes, whatever the file's name.

    Args:
        file: a file that exists.
        remedy: what to do about damage.

    Returns:
        The uncompressed content.

    Raises:
        DamagedFileError: if the file is empty or its gzip stream is broken.
    """
    content = file.read_bytes()
    if not content:
        raise DamagedFileError(file, "it is empty", remedy)
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedFileError(file, f"its gzip stream is broken ({error})", remedy) from error


def read_manifest(folder: Path) -> dict[str, Checksum]:
    """Read the checksums of the files in a folder, as ``sha256sum`` writes them.

    Args:
        folder: may hold a file ``SHA256SUMS``.

    Returns:
        File name to checksum; empty without the file.
    """
    file = folder / MANIFEST
    if not file.exists():
        return {}
    pairs = [line.split(maxsplit=1) for line in file.read_text().splitlines() if line.strip()]
    return {name.strip(): Checksum("sha256", digest) for digest, name in pairs}


def write_manifest(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Add checksums to a folder's ``SHA256SUMS``, in one step.

    Args:
        folder: the folder.
        contents: file name to uncompressed content; files that are not named keep their line.
    """
    lines = {name: checksum.digest for name, checksum in read_manifest(folder).items()}
    lines |= {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    temporary = folder / f".{MANIFEST}.part"
    temporary.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(lines.items())))
    temporary.replace(folder / MANIFEST)
