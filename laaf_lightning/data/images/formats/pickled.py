"""Pickles of plain values and byte arrays, read without Python's unpickler: nothing that a file names is called."""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Callable
from typing import Any

from laaf_lightning.data.images.formats import pickled_arrays
from laaf_lightning.data.images.formats.content import Content, UnexpectedContentError

_HIGHEST_PROTOCOL = 5
_WORD_BYTES = 64
_NAME_BYTES = 256
_LONGEST_INTEGER = 16
# Whatever the file, a step takes some 60 bytes at most: steps are few beside the pixels, 3072 bytes an image.
_FREE_STEPS = 100_000
_BYTES_PER_STEP = 16


def read_pickle(content: Content) -> Any:
    """Read the value that a pickle of protocol 0 to 5 holds.

    The opcodes are those of Python's ``pickletools`` that numbers, text, lists, tuples, dictionaries and byte arrays of
    numpy need, as Python 2 and 3 and numpy 1 and 2 write them. Arrays come as ``PickledArray``.

    Args:
        content: stands at the pickle's beginning, and after it at its end.

    Returns:
        The value, strings of Python 2 as bytes.

    Raises:
        UnexpectedContentError: if there is an opcode that none of these needs, or one where it has no meaning.
    """
    return _PickleReader(content).value()


class _PickleReader:
    """A stack of values, the marks in it, and the values that are remembered under a number."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._encoded = 0

    def value(self) -> Any:
        content = self._content
        steps = 0
        while (opcode := content.read(1)[0]) != ord("."):
            steps += 1
            if steps > _FREE_STEPS and steps > (content.size + content.position) // _BYTES_PER_STEP:
                raise UnexpectedContentError(f"it has {steps} steps in {content.position} bytes, more than any batch")
            step = _STEPS.get(opcode)
            if step is None:
                raise UnexpectedContentError(f"it has opcode {bytes((opcode,))!r}, which no CIFAR batch needs")
            step(self)
        if len(self._stack) != 1 or self._marks:
            raise UnexpectedContentError("it ends in the middle of a value")
        return self._stack[0]

    def number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self._content.read(size), "little", signed=signed)

    def line(self, most: int = _WORD_BYTES) -> bytes:
        line = self._content.line(most)
        if not line.endswith(b"\n"):
            raise UnexpectedContentError("it is truncated within a line")
        return line[:-1]

    def whole(self, suffix: bytes = b"") -> int:
        return _whole(self.line().removesuffix(suffix))

    def whole_or_boolean(self) -> int:
        line = self.line()
        return line == b"01" if line in {b"00", b"01"} else _whole(line)

    def short_integer(self) -> int:
        if (size := self.number(1)) > _LONGEST_INTEGER:
            raise UnexpectedContentError(f"it has a number of {size} bytes")
        return self.number(size, signed=True)

    def data(self, width: int) -> bytes | bytearray:
        return self._content.read(self.number(width))

    def text(self, width: int) -> str:
        return _decoded(self.data(width), "utf-8")

    def escaped_bytes(self) -> bytes:
        line = self.line(self._content.most)
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in {b"'", b'"'}:
            raise UnexpectedContentError("it has a string without quotes")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return codecs.escape_decode(line[1:-1])[0]
        except (ValueError, Warning) as error:
            raise UnexpectedContentError("it has a string with a wrong escape") from error

    def push(self, value: object) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise UnexpectedContentError("it takes a value where there is none")
        return self._stack.pop()

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def since_mark(self) -> list[Any]:
        if not self._marks:
            raise UnexpectedContentError("it takes a mark where there is none")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def protocol(self) -> None:
        if (protocol := self.number(1)) > _HIGHEST_PROTOCOL:
            raise UnexpectedContentError(f"it is of protocol {protocol}, the highest is {_HIGHEST_PROTOCOL}")

    def tuple_of(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def extend(self, values: list[Any]) -> None:
        target = self.pop()
        if not isinstance(target, list):
            raise UnexpectedContentError(f"it adds to a {type(target).__name__} as to a list")
        target.extend(values)
        self.push(target)

    def update(self, items: list[Any], target: object = None) -> None:
        target = self.pop() if target is None else target
        if (
            not isinstance(target, dict)
            or len(items) % 2
            or not all(isinstance(key, bytes | str) for key in items[::2])
        ):
            raise UnexpectedContentError(f"it adds to a {type(target).__name__} as to a dictionary of names")
        target.update(zip(items[::2], items[1::2], strict=True))
        self.push(target)

    def set_item(self) -> None:
        value = self.pop()
        self.update([self.pop(), value])

    def remember(self, number: int) -> None:
        value = self.pop()
        self._memo[number] = value
        self.push(value)

    def recall(self, number: int) -> None:
        if number not in self._memo:
            raise UnexpectedContentError(f"it recalls value {number}, which it does not have")
        self.push(self._memo[number])

    def name(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise UnexpectedContentError("it names something by what is no name")
        self.push(pickled_arrays.named(module, name))

    def name_in_lines(self) -> None:
        for _ in range(2):
            self.push(_decoded(self.line(_NAME_BYTES), "utf-8"))
        self.name()

    def call(self) -> None:
        arguments = self.pop()
        result = pickled_arrays.call(self.pop(), arguments)
        if isinstance(result, bytes):
            self._encoded += len(result)
            if self._encoded > self._content.position:  # the same text again and again
                raise UnexpectedContentError("it makes more bytes than it holds")
        self.push(result)

    def build(self) -> None:
        state = self.pop()
        target = self.pop()
        pickled_arrays.build(target, state)
        self.push(target)


def _decoded(content: bytes | bytearray, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnexpectedContentError(f"it has text that is no {encoding}") from error


def _whole(digits: bytes) -> int:
    if not digits.removeprefix(b"-").isdigit():
        raise UnexpectedContentError("it has a number that is none")
    return int(digits)


_STEPS: dict[int, Callable[[_PickleReader], None]] = {
    ord(opcode): step
    for opcode, step in {
        "\x80": _PickleReader.protocol,
        "\x95": lambda reader: reader._content.check_ahead(reader.number(8)),
        "(": _PickleReader.mark,
        "N": lambda reader: reader.push(None),
        "\x88": lambda reader: reader.push(True),
        "\x89": lambda reader: reader.push(False),
        "I": lambda reader: reader.push(reader.whole_or_boolean()),
        "L": lambda reader: reader.push(reader.whole(b"L")),
        "K": lambda reader: reader.push(reader.number(1)),
        "M": lambda reader: reader.push(reader.number(2)),
        "J": lambda reader: reader.push(reader.number(4, signed=True)),
        "\x8a": lambda reader: reader.push(reader.short_integer()),
        "S": lambda reader: reader.push(reader.escaped_bytes()),
        **dict.fromkeys("UC", lambda reader: reader.push(reader.data(1))),
        **dict.fromkeys("TB", lambda reader: reader.push(reader.data(4))),
        **dict.fromkeys("\x8e\x96", lambda reader: reader.push(reader.data(8))),
        "V": lambda reader: reader.push(_decoded(reader.line(reader._content.most), "raw-unicode-escape")),
        "X": lambda reader: reader.push(reader.text(4)),
        "\x8c": lambda reader: reader.push(reader.text(1)),
        "\x8d": lambda reader: reader.push(reader.text(8)),
        ")": lambda reader: reader.push(()),
        "\x85": lambda reader: reader.tuple_of(1),
        "\x86": lambda reader: reader.tuple_of(2),
        "\x87": lambda reader: reader.tuple_of(3),
        "t": lambda reader: reader.push(tuple(reader.since_mark())),
        "]": lambda reader: reader.push([]),
        "l": lambda reader: reader.push(reader.since_mark()),
        "a": lambda reader: reader.extend([reader.pop()]),
        "e": lambda reader: reader.extend(reader.since_mark()),
        "}": lambda reader: reader.push({}),
        "d": lambda reader: reader.update(reader.since_mark(), {}),
        "s": _PickleReader.set_item,
        "u": lambda reader: reader.update(reader.since_mark()),
        "p": lambda reader: reader.remember(reader.whole()),
        "q": lambda reader: reader.remember(reader.number(1)),
        "r": lambda reader: reader.remember(reader.number(4)),
        "\x94": lambda reader: reader.remember(len(reader._memo)),
        "g": lambda reader: reader.recall(reader.whole()),
        "h": lambda reader: reader.recall(reader.number(1)),
        "j": lambda reader: reader.recall(reader.number(4)),
        "c": _PickleReader.name_in_lines,
        "\x93": _PickleReader.name,
        "R": _PickleReader.call,
        "b": _PickleReader.build,
    }.items()
}
