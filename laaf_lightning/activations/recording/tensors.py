"""The memory of tensors, and the tensors that a value holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any

from torch import Tensor, nn

_DEPTH = 4  # to which containers are searched


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


def tensors_in(value: Any, depth: int = _DEPTH) -> Iterator[Tensor]:
    """Find the tensors of a value.

    Args:
        value: a tensor, or anything that holds some.
        depth: how many containers within one another are opened.

    Returns:
        Those in tuples, lists, mappings, data classes and other objects, but not in modules and functions.
    """
    opened: set[int] = set()

    def search(part: Any, depth: int) -> Iterator[Tensor]:
        if isinstance(part, Tensor):
            yield part
        elif depth and id(part) not in opened:
            opened.add(id(part))
            for each in _parts(part):
                yield from search(each, depth - 1)

    return search(value, depth)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, each.name, None) for each in fields(value)]
    if isinstance(value, (nn.Module, type, ModuleType)) or callable(value):
        return ()
    return vars(value).values() if hasattr(value, "__dict__") else ()
