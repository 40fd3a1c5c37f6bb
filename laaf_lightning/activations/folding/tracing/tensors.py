"""The memory of tensors, and the tensors that a value holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

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

    Yields:
        Those in tuples, lists, mappings and data classes.
    """
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, Mapping):
        for each in value.values():
            yield from tensors_in(each, depth - 1)
    elif depth and isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from tensors_in(each, depth - 1)
    elif depth and is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from tensors_in(getattr(value, each.name, None), depth - 1)
