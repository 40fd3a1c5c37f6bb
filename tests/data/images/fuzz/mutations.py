"""Good files made bad: what a disk, a connection or somebody with a hex editor does to one."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

_EDGES = (0, 1, 2, 7, 8, 127, 128, 255, 256, 3072, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)


def mutate(files: Sequence[bytes], draw: random.Random) -> bytes:
    """Make one bad file, by one to six changes of one of the good ones."""
    content = bytearray(draw.choice(files))
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        draw.choice(_CHANGES)(content, files, draw)
    return bytes(content)


def _place(content: bytearray, draw: random.Random) -> int:
    """Somewhere; often near the beginning or the end, where the headers are."""
    near = draw.choice((64, 300, len(content) + 1, len(content) + 1))
    at = draw.randrange(min(near, len(content) + 1))
    return at if draw.random() < 0.75 else len(content) - at


def _flip_bits(content: bytearray, files: Sequence[bytes], draw: random.Random) -> None:
    for _ in range(draw.choice((1, 1, 2, 8))):
        if content:
            content[min(_place(content, draw), len(content) - 1)] ^= 1 << draw.randrange(8)


def _set_byte(content: bytearray, files: Sequence[bytes], draw: random.Random) -> None:
    at = _place(content, draw)
    content[at : at + 1] = bytes((draw.choice((draw.randrange(256), 0, 255, ord("."), ord("("), ord("]"), ord("R"))),))


def _truncate(content: bytearray, files: Sequence[bytes], draw: random.Random) -> None:
    del content[_place(content, draw) :]


def _insert(content: bytearray, files: Sequence[bytes], draw: random.Random) -> None:
    at = _place(content, draw)
    content[at:at] = draw.choice((draw.randbytes(draw.randrange(1, 40)), bytes(draw.randrange(1, 5000))))


def _delete(content: bytearray, files: Sequence[bytes], draw: random.Random) -> None:
    at = _place(content, draw)
    del content[at : at + draw.choice((1, 2, 4, 8, 100))]


def _repeat(content: bytearray, files: Sequence[bytes], draw: random.Random) -> None:
    at = _place(content, draw)
    part = content[at : at + draw.choice((1, 4, 16, 200))]
    content[at:at] = part * draw.choice((1, 2, 50))


def _splice(content: bytearray, files: Sequence[bytes], draw: random.Random) -> None:
    other = draw.choice(files)
    start = draw.randrange(len(other))
    at = _place(content, draw)
    content[at : at + draw.choice((0, 10, 100))] = other[start : start + draw.choice((4, 30, 300))]


def _change_number(content: bytearray, files: Sequence[bytes], draw: random.Random) -> None:
    """Put a number where lengths, counts and types are likely to stand."""
    at = _place(content, draw)
    width = draw.choice("BHIQ")
    size = struct.calcsize(width)
    number = draw.choice((draw.choice(_EDGES), len(content), len(content) + draw.randrange(-9, 9), draw.randrange(20)))
    content[at : at + size] = struct.pack(draw.choice("<>") + width, max(number, 0) % 256**size)


def _change_digits(content: bytearray, files: Sequence[bytes], draw: random.Random) -> None:
    """Put a number where one stands in digits."""
    places = [at for at in (_place(content, draw) for _ in range(30)) if content[at : at + 1].isdigit()]
    for at in places[:1]:
        content[at : at + 1] = str(draw.choice((-1, *_EDGES))).encode()


_CHANGES: tuple[Callable[[bytearray, Sequence[bytes], random.Random], None], ...] = (
    _flip_bits,
    _flip_bits,
    _set_byte,
    _truncate,
    _insert,
    _delete,
    _repeat,
    _splice,
    _splice,
    _change_number,
    _change_number,
    _change_digits,
)
