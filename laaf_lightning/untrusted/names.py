"""What a string names: found by importing its module, which a checkpoint may ask for of few packages only."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from laaf_lightning.errors import ConfigurationError

_IMPORTED_FOR_A_CHECKPOINT = ("laaf_lightning", "torch.nn")
_LOADED_WITH_US = ("torch.optim",)  # not imported for it: the package has done so already
# Names that were given from Python beside the checkpoint that is being loaded; None while none is.
_GIVEN: ContextVar[frozenset[str] | None] = ContextVar("names given beside a checkpoint", default=None)


@contextmanager
def names_of_a_checkpoint(given: Iterable[object]) -> Iterator[None]:
    """Let `find` refuse, for a while, what a checkpoint may not name.

    Args:
        given: what was given from Python beside it, which may be named all the same.

    Yields:
        Nothing.
    """
    token = _GIVEN.set(frozenset(value for value in given if isinstance(value, str)))
    try:
        yield
    finally:
        _GIVEN.reset(token)


def find(path: str, setting: str) -> Any:
    """Find what a dotted path names, or refuse it unread where it comes from a checkpoint.

    Args:
        path: for example ``"torch.nn.Tanh"``.
        setting: where it was given, for the error.

    Returns:
        The object.

    Raises:
        ConfigurationError: if there is no such thing, and for a foreign name in a checkpoint.
    """
    given = _GIVEN.get()
    if given is not None and path not in given:
        return find_for_checkpoint(path, setting)
    return _find(path, setting)


def find_for_checkpoint(path: str, setting: str) -> Any:
    """Find what a checkpoint names: a class or a function of this package, or of ``torch.nn`` or ``torch.optim``.

    Args:
        path: the dotted path.
        setting: where it was given, for the error.

    Returns:
        The object.

    Raises:
        ConfigurationError: for every other name, before anything is imported.
    """
    may_be_named = _IMPORTED_FOR_A_CHECKPOINT + _LOADED_WITH_US
    found = _find(path, setting) if _is_in(path, may_be_named) else None
    if not _is_in(str(getattr(found, "__module__", "")), may_be_named):  # a module of ours holds others
        raise ConfigurationError(
            f"{setting}={path!r} is named by the checkpoint, for which only names of laaf_lightning and torch.nn are "
            f"imported: give it from Python, load_from_checkpoint(path, {setting.partition('.')[0]}=…)"
        )
    return found


def is_the_name_of(path: str, kind: type) -> bool:
    """Tell whether a path names a class, without importing anything.

    Args:
        path: the dotted path.
        kind: the class.

    Returns:
        Whether it does.

    Example:
        >>> is_the_name_of("laaf_lightning.errors.ConfigurationError", ConfigurationError)
        True
    """
    module, _, name = path.rpartition(".")
    if f"{kind.__module__}.{kind.__qualname__}" == path:
        return True
    return module in sys.modules and vars(sys.modules[module]).get(name) is kind


def _find(path: str, setting: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{setting}={path!r} cannot be imported: {error}") from error


def _is_in(path: str, packages: tuple[str, ...]) -> bool:
    return any(f"{path}.".startswith(f"{package}.") for package in packages)
