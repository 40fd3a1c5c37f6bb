"""How large a YAML text becomes when it is read: anchors within anchors make gigabytes of a few lines."""

from __future__ import annotations

from typing import Any

import yaml

from laaf_lightning.errors import ConfigurationError

_MAX_REPEATED = 10_000  # nodes that are there by reference only; 100 characters count as a node more
_MAX_DEPTH = 100
_CHARACTERS = 100


def read_yaml(text: str, name: str) -> Any:
    """Read a YAML text of plain values.

    Args:
        text: the text.
        name: what it is, for the error.

    Returns:
        Its content.

    Raises:
        ConfigurationError: if it grows, or nests, beyond all measure.
        yaml.YAMLError: if it is no YAML.
    """
    refuse_growth(text, name)
    return yaml.safe_load(text)


def refuse_growth(text: str, name: str) -> None:
    r"""Refuse a YAML text that grows beyond all measure when its references are followed, or nests too deep.

    Args:
        text: the text; what is no YAML passes.
        name: what it is, for the error.

    Raises:
        ConfigurationError: if more than ten thousand nodes are there by reference only, an anchor holds itself, or
            values are nested more than a hundred deep.

    Example:
        >>> refuse_growth("a: &a [1, 2]\nb: *a", "a.yaml")
        >>> refuse_growth("a: &a [*a]", "a.yaml")
        Traceback (most recent call last):
        laaf_lightning.errors.ConfigurationError: a.yaml: the anchor &a holds itself; write values out...
    """
    try:
        _measure(text, name)
    except yaml.YAMLError:
        return  # for whoever reads it to complain about


def _measure(text: str, name: str) -> None:
    sizes: dict[str, int | None] = {}  # of what an anchor stands for; None while it is open
    stack: list[tuple[str | None, int]] = []  # the open collections: their anchors, and sizes so far
    total, repeated = 0, 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append((anchor, total))
            if anchor is not None:
                sizes[anchor] = None
            total += 1
            if len(stack) > _MAX_DEPTH:
                raise _refused(name, f"values are nested more than {_MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = stack.pop()
            if anchor is not None:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            size = 1 + len(event.value) // _CHARACTERS
            total += size
            if anchor is not None:
                sizes[anchor] = size
        elif isinstance(event, yaml.AliasEvent):
            known = sizes.get(anchor or "", 1)
            if known is None:
                raise _refused(name, f"the anchor &{anchor} holds itself")
            total, repeated = total + known, repeated + known
            if repeated > _MAX_REPEATED:
                raise _refused(name, f"its anchors stand for more than {_MAX_REPEATED} values when they are followed")


def _refused(name: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"{name}: {reason}; write values out, without references within references")
