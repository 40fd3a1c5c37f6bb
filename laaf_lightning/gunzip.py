"""Content packed by gzip, in time that its size bounds."""

from __future__ import annotations

import io
import zlib
from typing import Any, BinaryIO

_WITH_GZIP_HEADER = 31  # of zlib's ways to begin
_PIECE_BYTES = 1 << 16
_MEMBERS = 1000  # a published file has one


class Gunzipped(io.RawIOBase):
    """A stream of what a gzip file holds.

    zlib itself passes over the headers, and checks the checksums. Python's own reader goes through a name in a header
    byte by byte, and through any number of members that hold nothing: a few megabytes take it minutes.

    Args:
        packed: stands at the beginning of a member.
    """

    def __init__(self, packed: BinaryIO) -> None:
        super().__init__()
        self._packed = packed
        self._waiting = b""
        self._members = 1
        self._inflater = zlib.decompressobj(_WITH_GZIP_HEADER)

    def readable(self) -> bool:
        """Tell that it can be read.

        Returns:
            True.
        """
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Unpack as much as there is room for, or less.

        Args:
            buffer: where to.

        Returns:
            The bytes unpacked; 0 at the end.

        Raises:
            EOFError: if the file ends within a member.
            zlib.error: for what is no gzip, and more members than any file has.
        """
        room = memoryview(buffer).cast("B")
        while not self._inflater.eof or self._begins_another():
            packed = self._waiting or self._packed.read(_PIECE_BYTES)
            if not packed:
                raise EOFError("it ends within a member")
            piece = self._inflater.decompress(packed, len(room))
            self._waiting = self._inflater.unconsumed_tail
            if piece:
                room[: len(piece)] = piece
                return len(piece)
        return 0

    def _begins_another(self) -> bool:
        """Go on to the next member, which zeros may stand before."""
        rest = self._inflater.unused_data.lstrip(b"\0")
        while not rest:
            if not (rest := self._packed.read(_PIECE_BYTES)):
                return False
            rest = rest.lstrip(b"\0")
        self._members += 1
        if self._members > _MEMBERS:
            raise zlib.error(f"it has more than {_MEMBERS} members")
        self._inflater, self._waiting = zlib.decompressobj(_WITH_GZIP_HEADER), rest
        return True
