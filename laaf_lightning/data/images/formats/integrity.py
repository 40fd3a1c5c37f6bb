"""What is wrong with a file, in one exception; checksums of content; opening what is a file and nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from laaf_lightning.errors import ConfigurationError

FETCH_AGAIN = "delete it and run again to fetch it anew, or put the published file in its place"
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


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


class UnreadableFileError(DamagedFileError):
    """A data file that the operating system does not let us read.

    Args:
        file: the file.
        reason: why, in the system's words.

    Example:
        >>> print(UnreadableFileError("train-labels", "Permission denied"))
        train-labels cannot be read (Permission denied): make it readable, or put a file that is in its place
    """

    def __init__(self, file: Path | str, reason: str) -> None:
        super().__init__(file, f"it cannot be read ({reason})", "")
        self.args = (f"{file} cannot be read ({reason}): make it readable, or put a file that is in its place",)


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

    def fits(self, content: bytes) -> bool:
        """Tell whether content is the published one.

        Args:
            content: any bytes.

        Returns:
            Whether its checksum is this one.
        """
        return hashlib.new(self.algorithm, content, usedforsecurity=False).hexdigest() == self.digest

    def check(self, file: Path | str, actual: str, remedy: str = FETCH_AGAIN) -> None:
        """Compare the checksum of what was read with this one.

        Args:
            file: the file that held the content.
            actual: the checksum of its uncompressed content in hexadecimal.
            remedy: what to do about damage.

        Raises:
            DamagedFileError: if the two differ.
        """
        if actual != self.digest:
            problem = f"its content has {self.algorithm.upper()} {actual}, the published one {self.digest}"
            raise DamagedFileError(file, problem, f"{remedy}, or set verify to false if it is meant to be another set")


def file_md5(file: Path) -> str:
    """Compute the MD5 of a file as it lies there, packed or not.

    Args:
        file: a file that exists.

    Returns:
        Hexadecimal digits.
    """
    digest = hashlib.md5(usedforsecurity=False)
    with opened(file) as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def is_there(file: Path) -> bool:
    """Tell whether a name is taken by anything at all that can be reached.

    Args:
        file: the name.

    Returns:
        Whether it is; a link without a target is not.

    Raises:
        UnreadableFileError: if a folder on the way may not be entered, or links lead in a circle.
    """
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UnreadableFileError(file, error.strerror or str(error)) from error
    return True


@contextlib.contextmanager
def opened(file: Path, remedy: str = FETCH_AGAIN) -> Iterator[BinaryIO]:
    """Open a file to read its bytes; what would be waited for, or read without end, is not opened.

    Args:
        file: a file that exists.
        remedy: what to do about damage.

    Yields:
        The open file.

    Raises:
        DamagedFileError: if it is a folder, a pipe, a socket or a device.
        UnreadableFileError: if it cannot be opened or read.
    """
    try:
        mode = file.stat().st_mode
        kind = next((name for is_it, name in _KINDS if is_it(mode)), None)
        if kind is not None:
            raise DamagedFileError(file, f"it is {kind} instead of a file", remedy)
        with file.open("rb") as stream:
            yield stream
    except OSError as error:
        raise UnreadableFileError(file, error.strerror or str(error)) from error
