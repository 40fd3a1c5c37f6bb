"""MATLAB files of version 5, as far as full numeric arrays go."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from laaf_lightning.data.images.formats.content import ByteSource, Content, UnexpectedContentError

_HEADER_BYTES = 128
_BYTE_ORDERS: dict[bytes, Literal["<", ">"]] = {b"IM": "<", b"MI": ">"}
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES = range(6, 16)  # double, single, and whole numbers of 8 to 64 bits
_COMPLEX = 0x0800
_MOST_VARIABLES = 1000  # the published files have two
_MOST_DIMENSIONS, _MOST_NAME_BYTES = 32, 63


class Inflated(ByteSource):
    """A part of a file that is packed by zlib.

    Args:
        source: stands at its beginning.
        size: its packed bytes.
    """

    def __init__(self, source: ByteSource, size: int) -> None:
        super().__init__(size, packed=True)
        source.check_ahead(size)
        self._source = source
        self._left = size
        self._inflater = zlib.decompressobj()

    def _some(self, most: int) -> bytes:
        while not self._inflater.eof:
            packed: bytes | bytearray = self._inflater.unconsumed_tail
            if not packed and self._left:
                packed = self._source.read(min(self._left, 1 << 16))
                self._left -= len(packed)
            try:
                piece = self._inflater.decompress(packed, most)
            except zlib.error as error:
                raise UnexpectedContentError(f"its compression is broken ({error})") from error
            if piece or not packed:
                return piece
        return b""

    def drop(self) -> None:
        """Pass over the rest without unpacking it."""
        self._source.skip(self._left)

    def finish(self) -> None:
        """Make sure that the part ends here.

        Raises:
            UnexpectedContentError: if it goes on or is cut off.
        """
        if self._some(1) or self._left or self._inflater.unused_data:
            raise UnexpectedContentError("a compressed part of it has trailing bytes")
        if not self._inflater.eof:
            raise UnexpectedContentError("a compressed part of it is cut off")


class _Tag(NamedTuple):
    """What stands before an element: its type, its size, and its data where these are in the tag itself."""

    type: int
    size: int
    data: bytes | None


class _Variable(NamedTuple):
    """What stands before a variable's values, and where the variable ends."""

    name: str
    flags: int
    shape: tuple[int, ...]
    end: int


class MatReader:
    """Reads the variables of a MATLAB 5 file that are asked for and passes over all others.

    The format is that of MathWorks' "MAT-File Format", level 5: a header of 128 bytes, then elements of a tag (type and
    size) and data, padded to 8 bytes. A variable is an element of elements (flags, dimensions, name, values), and is as
    a rule compressed by zlib as a whole. Values may be stored in a smaller type than the variable's; the array has
    that type, as ``scipy.io.loadmat`` gives it.

    Args:
        content: the file's.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        header = bytes(content.read(_HEADER_BYTES)) if content.size >= _HEADER_BYTES else b""
        if header[126:] not in _BYTE_ORDERS:
            raise UnexpectedContentError("it is no MATLAB file of version 5")
        self._order = _BYTE_ORDERS[header[126:]]
        if (version := self._number(header[124:126])) >> 8 != 1:
            raise UnexpectedContentError(f"it is a MATLAB file of version {version:#06x} instead of 0x0100")

    def variables(self, names: Collection[str]) -> dict[str, npt.NDArray[Any]]:
        """Read to the end of the file.

        Args:
            names: of the variables that are wanted.

        Returns:
            Those that there are, each in the order of the file: the first index runs fastest.

        Raises:
            UnexpectedContentError: if the file is not of this form, or a wanted variable is no full numeric array.
        """
        found: dict[str, npt.NDArray[Any]] = {}
        count = 0
        while first := self._content.some(1):
            if (count := count + 1) > _MOST_VARIABLES:
                raise UnexpectedContentError(f"it has more than {_MOST_VARIABLES} variables")
            tag = self._tag(self._content, first)
            if tag.type == _COMPRESSED and tag.data is None:
                inflated = Inflated(self._content, tag.size)
                variable = self._beginning(inflated, self._tag(inflated))
                if variable.name in names:
                    self._add(found, inflated, variable)
                    inflated.finish()
                else:
                    inflated.drop()
            else:
                self._content.check_ahead(tag.size)
                variable = self._beginning(self._content, tag)
                if variable.name in names:
                    self._add(found, self._content, variable)
                else:
                    self._content.skip(variable.end - self._content.position)
        return found

    def _beginning(self, source: ByteSource, tag: _Tag) -> _Variable:
        if tag.type != _MATRIX or tag.data is not None:
            raise UnexpectedContentError(f"it has an element of type {tag.type} instead of a variable")
        end = source.position + tag.size
        flags = self._number(self._element(source, end, _UINT32, 8)[:4])
        dimensions = self._element(source, end, _INT32, 4 * _MOST_DIMENSIONS)
        count = len(dimensions) // 4
        shape = struct.unpack(f"{self._order}{count}i", dimensions[: 4 * count])
        name = bytes(self._element(source, end, _INT8, _MOST_NAME_BYTES)).decode("latin-1")
        return _Variable(name, flags, shape, end)

    def _add(self, found: dict[str, npt.NDArray[Any]], source: ByteSource, variable: _Variable) -> None:
        name, flags, shape, end = variable
        if name in found:
            raise UnexpectedContentError(f"it has two variables {name}")
        if flags & 0xFF not in _NUMERIC_CLASSES or flags & _COMPLEX:
            raise UnexpectedContentError(f"its {name} is no array of real numbers")
        tag = self._tag(source)
        kind = _NUMBERS.get(tag.type)
        if kind is None or len(shape) < 2 or min(shape) < 0:
            raise UnexpectedContentError(f"its {name} has shape {shape} and values of type {tag.type}")
        dtype = np.dtype(kind).newbyteorder(self._order)
        room = tag.size if tag.data is not None else end - source.position
        if tag.size != math.prod(shape) * dtype.itemsize or tag.size > room:
            raise UnexpectedContentError(f"its {name} of shape {shape} has {tag.size} bytes of {dtype.name} in {room}")
        values = source.values(tag.size) if tag.data is None else np.frombuffer(bytearray(tag.data), np.uint8)
        left = end - source.position
        if not 0 <= left < 8:  # up to 7 of padding
            raise UnexpectedContentError(f"its {name} has {left} bytes after its values")
        source.skip(left)
        found[name] = values.view(dtype).reshape(shape, order="F")

    def _element(self, source: ByteSource, end: int, kind: int, most: int) -> bytes | bytearray:
        """Read a short element of a variable."""
        tag = self._tag(source)
        if tag.type != kind or tag.size > most or source.position + tag.size > end:
            raise UnexpectedContentError(f"a variable of it has {tag.size} bytes of type {tag.type} in its beginning")
        if tag.data is not None:
            return tag.data
        data = source.read(tag.size)
        source.skip(-tag.size % 8)
        return data

    def _tag(self, source: ByteSource, first: bytes = b"") -> _Tag:
        """Read the tag of an element; up to four bytes of data fit into it."""
        content = first + source.read(8 - len(first))
        kind, size = self._number(content[:4]), self._number(content[4:])
        if not kind >> 16:
            return _Tag(kind, size, None)
        if kind >> 16 > 4:
            raise UnexpectedContentError(f"it announces {kind >> 16} bytes where there is room for 4")
        return _Tag(kind & 0xFFFF, kind >> 16, content[4 : 4 + (kind >> 16)])

    def _number(self, content: bytes | bytearray) -> int:
        return int.from_bytes(content, "little" if self._order == "<" else "big")
