"""What settings name, checked against what is wanted in their place, before any of it is called."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Iterable, Mapping
from typing import Any

from jsonargparse import Namespace

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.factories import Wanted, complaint, wanted_by

_CLASS = "class_path"


def check_named(actions: Iterable[Any], settings: Any) -> None:
    """Check the settings of a parser, without those of nested classes, which have a parser of their own.

    jsonargparse imports what a setting names when it parses, and calls it when it instantiates; it lets a function
    stand, with arguments, where a callable is wanted, and any class where anything is.

    Args:
        actions: the parser's.
        settings: what it has parsed.

    Raises:
        ConfigurationError: for what must not be called.
    """
    for action in actions:
        typed = action.target[1] if hasattr(action, "target") else action  # a link stands for the one that it sets
        hint = getattr(typed, "_typehint", None)
        value = None if hint is None else settings.get(typed.dest)
        if value is not None and (wanted := wanted_by(hint)):
            _check(typed.dest, value, wanted)


def _check(key: str, value: Any, wanted: Wanted) -> None:
    if isinstance(value, (dict, Namespace)) and _CLASS in value:
        found = pydoc.locate(str(value[_CLASS]))
        _refuse(key, value[_CLASS], "does not exist" if found is None else complaint(found, wanted, has_settings=True))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            _check(f"{key}[{number}]", item, wanted)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _check(f"{key}.{name}", item, wanted)
    elif (inspect.isroutine(value) or inspect.isclass(value)) and not wanted.anything:
        name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)}"
        _refuse(key, name, complaint(value, wanted))


def _refuse(key: str, name: str, what: str | None) -> None:
    if what is not None:
        raise ConfigurationError(f"{key}={name!r} {what}; it was not called")
