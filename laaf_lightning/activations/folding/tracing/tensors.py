"""The memory of tensors, and the tensors that a value holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import FunctionType, ModuleType
from typing import Any

from torch import Tensor, nn

_DEPTH = 4  # to which containers are searched
_CLOSED = (type, nn.Module, ModuleType, FunctionType)


def memory_of(tensor: Tensor) -> int:
    """Return what tensors have in common that are views of one another.

    Args:
        tensor: any.

    Returns:
        A number that is unique while one of them lives.
    """
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # nested and sparse tensors
        return -id(tensor)


def tensors_in(value: Any, depth: int = _DEPTH, opened: set[int] | None = None) -> Iterator[Tensor]:
    """Find the tensors of a value.

    Args:
        value: a tensor, or anything that holds some.
        depth: how many containers within one another are opened.
        opened: the identities of objects whose attributes were looked at, an empty set at first; None where they are
            not to be.

    Yields:
        Those in tuples, lists, mappings, data classes and, as `opened` says, other objects that are no modules.
    """
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, Mapping):
        for each in value.values():
            yield from tensors_in(each, depth - 1, opened)
    elif depth and isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from tensors_in(each, depth - 1, opened)
    elif depth and is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from tensors_in(getattr(value, each.name, None), depth - 1, opened)
    elif opened is not None and _is_object(value) and id(value) not in opened:
        opened.add(id(value))
        yield from tensors_in(vars(value), depth, opened)


def _is_object(value: Any) -> bool:
    return hasattr(value, "__dict__") and not isinstance(value, _CLOSED)
