"""The tensors of a batch, by names under which a user knows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from laaf_lightning.callbacks.finite_guard.marks import can_be_watched


def batch_fields(batch: Any) -> dict[str, Tensor]:
    """Find the tensors of a batch that can hold NaN.

    Args:
        batch: a tensor, or tuples, lists, mappings and dataclasses of them, in any depth.

    Returns:
        The tensors by name.

    Example:
        >>> import torch
        >>> list(batch_fields({"image": torch.ones(1), "label": torch.ones(1, dtype=torch.int64)}))
        ["batch['image']"]
        >>> list(batch_fields((torch.ones(1), [torch.ones(1)])))
        ['batch[0]', 'batch[1][0]']
    """
    return dict(_fields(batch, "batch"))


def _fields(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        if can_be_watched(value):
            yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _fields(item, f"{name}[{key!r}]")
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for key, item in zip(value._fields, value, strict=True):
            yield from _fields(item, f"{name}.{key}")
    elif isinstance(value, (tuple, list)):
        for number, item in enumerate(value):
            yield from _fields(item, f"{name}[{number}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _fields(getattr(value, field.name, None), f"{name}.{field.name}")
