"""What a pickled batch may build beside plain values: byte arrays of numpy, described and not built."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from laaf_lightning.data.images.formats.content import UnexpectedContentError


class Named(Enum):
    """The functions and classes that a pickle may name; none of them is ever called."""

    RECONSTRUCT = "numpy.core.multiarray._reconstruct"
    FROM_BUFFER = "numpy.core.numeric._frombuffer"
    ARRAY = "numpy.ndarray"
    DTYPE = "numpy.dtype"
    ENCODE = "_codecs.encode"  # how bytes are written in protocols 0 to 2 by Python 3


@dataclass(eq=False)
class PickledDtype:
    """A dtype.

    Args:
        name: as numpy abbreviates it, for example ``"u1"``.
    """

    name: str


@dataclass(eq=False)
class PickledArray:
    """An array: what numpy would be told.

    Args:
        dtype: of its values.
        shape: its shape.
        order: ``"C"`` or ``"F"``.
        content: its bytes.
    """

    dtype: str = ""
    shape: tuple[int, ...] = ()
    order: str = "C"
    content: bytes | bytearray = b""

    def fill(self, dtype: object, shape: object, order: object, content: object) -> None:
        """Tell it what it holds, once.

        Args:
            dtype: a ``PickledDtype``.
            shape: a tuple of whole numbers.
            order: ``"C"`` or ``"F"``.
            content: its bytes.

        Raises:
            UnexpectedContentError: if it is anything else.
        """
        if (
            self.dtype
            or not isinstance(dtype, PickledDtype)
            or not isinstance(shape, tuple)
            or not all(type(size) is int and size >= 0 for size in shape)
            or not isinstance(order, str)
            or order not in {"C", "F"}
            or not isinstance(content, bytes | bytearray)
        ):
            raise UnexpectedContentError("it describes an array as numpy does not")
        self.dtype, self.shape, self.order, self.content = dtype.name, shape, order, content

    def bytes_of(self, columns: int) -> npt.NDArray[np.uint8]:
        """Build the array.

        Args:
            columns: how many there must be.

        Returns:
            uint8, shape (N, columns).

        Raises:
            UnexpectedContentError: if it is another one.
        """
        if self.dtype not in {"u1", "|u1"} or len(self.shape) != 2 or self.shape[1] != columns:
            raise UnexpectedContentError(f"its data is {self} instead of uint8 of shape (N, {columns})")
        if math.prod(self.shape) != len(self.content):
            raise UnexpectedContentError(f"its data of shape {self.shape} has {len(self.content)} bytes")
        values = np.frombuffer(self.content, np.uint8)
        return values.reshape(self.shape, order="F" if self.order == "F" else "C")

    def __str__(self) -> str:
        names = {"u1": "uint8", "f8": "float64", "f4": "float32", "i8": "int64", "i4": "int32", "b1": "bool"}
        return f"{names.get(self.dtype, self.dtype)} of shape {self.shape}"


_NAMES = {named.value: named for named in Named}


def named(module: str, name: str) -> Named:
    """Find what a pickle names.

    Args:
        module: a module, of numpy 1 or 2.
        name: a name in it.

    Returns:
        What stands for it.

    Raises:
        UnexpectedContentError: if no batch needs it.
    """
    full = f"{module}.{name}"
    found = _NAMES.get(full.replace("numpy._core.", "numpy.core.", 1))
    if found is None:
        raise UnexpectedContentError(f"it names {full[:80]}, which no CIFAR batch needs")
    return found


def call(function: object, arguments: object) -> Any:
    """Describe what a call would give.

    Args:
        function: one of ``Named``.
        arguments: a tuple.

    Returns:
        A dtype, an array or bytes.

    Raises:
        UnexpectedContentError: if this is not how an array is written.
    """
    match function, arguments:
        case Named.RECONSTRUCT, (Named.ARRAY, (0,), b"b" | "b"):
            return PickledArray()
        case Named.DTYPE, (str() | bytes() as name, bool() | 0 | 1, bool() | 0 | 1):
            return PickledDtype(_text(name))
        case Named.FROM_BUFFER, (content, dtype, shape, order):
            array = PickledArray()
            array.fill(dtype, shape, order, content)
            return array
        case Named.ENCODE, (str() as text, "latin1" | "latin-1"):
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError as error:
                raise UnexpectedContentError("it has bytes that are none") from error
    raise UnexpectedContentError(f"it calls {_described(function)} as no CIFAR batch does")


def build(target: object, state: object) -> None:
    """Describe what an object's state makes of it.

    Args:
        target: a dtype or an array.
        state: a tuple.

    Raises:
        UnexpectedContentError: if this is not how an array is written.
    """
    match target, state:
        case PickledDtype(), (3 | 4, b"|" | "|" | b"<" | "<" | b"=" | "=" | b">" | ">", None, None, None, -1, -1, 0):
            return
        case PickledArray(), (1, shape, dtype, bool() as fortran, bytes() | bytearray() as content):
            target.fill(dtype, shape, "F" if fortran else "C", content)
            return
    raise UnexpectedContentError(f"it gives {_described(target)} a state that is no array's")


def _text(name: str | bytes) -> str:
    return name[:20] if isinstance(name, str) else name[:20].decode("latin-1")


def _described(value: object) -> str:
    return value.value if isinstance(value, Named) else type(value).__name__
