"""The content of a file, unpacked only as far as its reader asks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from laaf_lightning.data.images.formats.integrity import FETCH_AGAIN, Checksum, DamagedFileError, opened
from laaf_lightning.gunzip import Gunzipped

CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_UNPACKED_BYTES = 1 << 26  # more than any published set of grey images has
UNPACKED_RATIO = 100  # photographs are packed 1.2 to 1, drawings on black 5 to 1


class UnexpectedContentError(ValueError):
    """Bytes that are not what their format wants there; whoever opened the file adds its name."""


class EndOfContentError(UnexpectedContentError):
    """Content that ends before what it announces: how many bytes there are, and are announced at least."""

    def __init__(self, size: int, expected: int) -> None:
        super().__init__(f"it is truncated: {size} bytes where {expected} are announced")
        self.size = size


class ByteSource(ABC):
    """Bytes in order. No more of them is unpacked, and no more memory taken, than was asked for and is there.

    Args:
        size: the bytes where they come from.
        packed: whether these are unpacked.

    Attributes:
        most: so many bytes can be asked for in all.
        position: the bytes handed out so far.
    """

    def __init__(self, size: int, packed: bool) -> None:
        self.size = size
        self.packed = packed
        self.most = max(_UNPACKED_BYTES, UNPACKED_RATIO * size) if packed else size
        self.position = 0

    @abstractmethod
    def _some(self, most: int) -> bytes:
        """Take up to ``most`` bytes from where they come from; none at the end."""

    def some(self, most: int = CHUNK_BYTES) -> bytes:
        """Hand out what comes next.

        Args:
            most: so many bytes at most.

        Returns:
            At least a byte unless there are none left.

        Raises:
            UnexpectedContentError: if there are more than these bytes can hold.
        """
        piece = self._some(most)
        self.position += len(piece)
        if self.position > self.most:
            raise UnexpectedContentError(f"it unpacks to more than {UNPACKED_RATIO} times its size")
        return piece

    def read(self, size: int) -> bytes | bytearray:
        """Hand out so many bytes.

        Args:
            size: how many.

        Returns:
            Exactly these; more than a MiB as a bytearray.

        Raises:
            EndOfContentError: if fewer are left.
        """
        self.check_ahead(size)
        piece = self.some(min(size, CHUNK_BYTES))
        if len(piece) == size:
            return piece
        start = self.position - len(piece)
        gathered = bytearray(piece)
        while len(gathered) < size:
            piece = self.some(min(size - len(gathered), CHUNK_BYTES))
            if not piece:
                raise EndOfContentError(self.position, start + size)
            gathered += piece
        return gathered

    def beginning(self, size: int) -> bytes:
        """Hand out what comes next: so many bytes, or all that are left."""
        content = b""
        while len(content) < size and (piece := self.some(size - len(content))):
            content += piece
        return content

    def check_ahead(self, size: int) -> None:
        """Refuse a length that these bytes cannot have.

        Args:
            size: so many bytes are announced to come.

        Raises:
            EndOfContentError: if the file is too short for them.
            UnexpectedContentError: if it is packed and could not hold them.
        """
        if size > self.most - self.position:
            if self.packed:
                raise UnexpectedContentError(f"it announces {size} bytes, more than {UNPACKED_RATIO} times its size")
            raise EndOfContentError(self.most, self.position + size)

    def values(self, size: int) -> npt.NDArray[np.uint8]:
        """Hand out so many bytes as an array that can be written to.

        Args:
            size: how many.

        Returns:
            uint8, shape (size,).
        """
        content = self.read(size)
        return np.frombuffer(content if isinstance(content, bytearray) else bytearray(content), np.uint8)

    def skip(self, size: int) -> None:
        """Pass over so many bytes.

        Args:
            size: how many.
        """
        while size > 0:
            size -= len(self.read(min(size, CHUNK_BYTES)))


class Content(ByteSource):
    """The content of a file: unpacked, if it begins as gzip does, whatever its name.

    Args:
        stream: the open file.
        checksum: what the content is compared with in the end.

    Raises:
        UnexpectedContentError: if the file is empty.
    """

    def __init__(self, stream: BinaryIO, checksum: Checksum | None = None) -> None:
        super().__init__(os.fstat(stream.fileno()).st_size, stream.read(2) == _GZIP_MAGIC)
        if not self.size:
            raise UnexpectedContentError("it is empty")
        stream.seek(0)
        self._source = cast(BinaryIO, io.BufferedReader(Gunzipped(stream))) if self.packed else stream
        self._digest = None if checksum is None else hashlib.new(checksum.algorithm, usedforsecurity=False)
        self._undigested = bytearray()

    def _some(self, most: int) -> bytes:
        return self._digested(self._unpacked(self._source.read, most))

    def line(self, most: int) -> bytes:
        """Hand out a line.

        Args:
            most: its length at most, its end included.

        Returns:
            The line with its end, which is missing only where the content ends.

        Raises:
            UnexpectedContentError: if it is longer.
        """
        piece = self._digested(self._unpacked(self._source.readline, min(most, self.most - self.position) + 1))
        self.position += len(piece)
        if len(piece) > most or self.position > self.most:
            raise UnexpectedContentError(f"a line of it has more than {most} bytes")
        return piece

    def digest(self) -> str:
        """Make sure that the content ends here.

        Returns:
            Its checksum in hexadecimal; nothing if none was asked for.

        Raises:
            UnexpectedContentError: if it goes on.
        """
        if self._unpacked(self._source.read, 1):
            count = "" if self.packed else f"{self.size - self.position} "
            raise UnexpectedContentError(f"it has {count}trailing bytes")
        if self._digest is None:
            return ""
        self._digest.update(self._undigested)
        return self._digest.hexdigest()

    def _unpacked(self, read: Callable[[int], bytes], most: int) -> bytes:
        try:
            return read(most)
        except (EOFError, zlib.error) as error:
            raise UnexpectedContentError(f"its gzip stream is broken ({error})") from error

    def _digested(self, piece: bytes) -> bytes:
        # Small pieces are gathered: a digest's call costs more than they do.
        if self._digest is not None:
            self._undigested += piece
            if len(self._undigested) > 1 << 16:
                self._digest.update(self._undigested)
                self._undigested.clear()
        return piece


@contextlib.contextmanager
def read_content(file: Path, checksum: Checksum | None = None, remedy: str = FETCH_AGAIN) -> Iterator[Content]:
    """Hand out the content of a file to one who reads all of it.

    Args:
        file: a file that exists.
        checksum: what its uncompressed content must have; ``None`` leaves that unchecked.
        remedy: what to do about damage.

    Yields:
        The content; an ``UnexpectedContentError`` of its reader becomes a ``DamagedFileError`` that names the file.

    Raises:
        DamagedFileError: if the file is none or empty, its content is not what its reader expects or goes on after it,
            or the checksum differs.
    """
    with opened(file, remedy) as stream:
        try:
            yield (content := Content(stream, checksum))
            digest = content.digest()
        except UnexpectedContentError as error:
            raise DamagedFileError(file, str(error), remedy) from error
        except MemoryError as error:
            raise DamagedFileError(file, "it needs more memory than there is", remedy) from error
    if checksum:
        checksum.check(file, digest, remedy)
