"""How large a YAML text becomes when it is read: anchors within anchors make gigabytes of a few lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from laaf_lightning.errors import ConfigurationError

_MAX_REPEATED = 10_000  # nodes that are there by reference only; 100 characters count as a node more
_MAX_DEPTH = 100
_CHARACTERS = 100
_MAX_DIGITS = 1000  # of a number, which takes time with their square
_NUMBER = re.compile(r"[-+.\d][\w:.+-]*")


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
    return with_sound_values(yaml.safe_load, text)


def with_sound_values(read: Callable[[str], Any], text: str) -> Any:
    """Read YAML, whose values may be none of what they say that they are.

    Args:
        read: PyYAML's function, or one on top of it.
        text: the text.

    Returns:
        Its content.

    Raises:
        yaml.YAMLError: if it is no YAML, and for a value that cannot be made, which PyYAML's own errors are silent of.

    Example:
        >>> with_sound_values(yaml.safe_load, "!!int ten")
        Traceback (most recent call last):
        yaml.error.YAMLError: a value is not of the type that it is written as (ValueError: invalid literal for int()...
    """
    try:
        return read(text)
    except yaml.YAMLError:
        raise
    except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise yaml.YAMLError(f"a value is not of the type that it is written as ({reason})") from error


def refuse_growth(text: str, name: str) -> None:
    r"""Refuse a YAML text that grows beyond all measure when its references are followed, or nests too deep.

    Args:
        text: the text; what is no YAML passes.
        name: what it is, for the error.

    Raises:
        ConfigurationError: if more than ten thousand nodes are there by reference only, an anchor holds itself, or
            values are nested more than a hundred deep, or a number has more than a thousand digits.

    Example:
        >>> refuse_growth("a: &a [1, 2]\nb: *a", "a.yaml")
        >>> refuse_growth("a: &a [*a]", "a.yaml")
        Traceback (most recent call last):
        laaf_lightning.errors.ConfigurationError: a.yaml: the anchor &a holds itself; write plain values...
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
            if len(event.value) > _MAX_DIGITS and _is_number(event):
                raise _refused(name, f"a number has more than {_MAX_DIGITS} digits")
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


def _is_number(event: yaml.ScalarEvent) -> bool:
    may_be = event.implicit[0] or event.tag is not None  # what is in quotes is text
    return may_be and _NUMBER.fullmatch(event.value) is not None


def _refused(name: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"{name}: {reason}; write plain values, without references within references")
