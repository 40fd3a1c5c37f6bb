"""The settings that a checkpoint holds, made into arguments without running anything that it names."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.factories import Wanted, complaint, wanted_by
from laaf_lightning.untrusted.names import find_for_checkpoint, is_the_name_of

K = TypeVar("K")
_INSTANTIATOR, _CLASS = "_instantiator", "_class_path"  # what Lightning's command line adds to the settings it saves
_EARLIER = ("hparams", "module_arguments")  # where Lightning's first versions kept them


def take_settings(content: dict[str, Any], key: str) -> dict[str, Any]:
    """Take the settings out of a checkpoint, so that nobody else acts on what they name.

    Args:
        content: the checkpoint; is changed.
        key: under which the settings lie.

    Returns:
        The settings; with ``_class_path`` where the command line has saved them.
    """
    settings: dict[str, Any] = {}
    for name in (*_EARLIER, key):
        found = content.pop(name, None)
        settings |= dict(found) if isinstance(found, Mapping) else {}
    if not isinstance(content.get("hparams_type"), str):
        content.pop("hparams_type", None)  # would be called
    if settings.pop(_INSTANTIATOR, None) is None:
        settings.pop(_CLASS, None)
    else:
        settings.setdefault(_CLASS, None)
    return settings


def class_of(settings: dict[str, Any], kind: type[K]) -> type[K]:
    """Take out of the settings which class they are of.

    Args:
        settings: of `take_settings`; are changed.
        kind: whose ``load_from_checkpoint`` was called.

    Returns:
        `kind`, or the subclass of it that the checkpoint names, if it is this package's.

    Raises:
        ConfigurationError: for any other class.
    """
    path = settings.get(_CLASS)
    if path is None or is_the_name_of(str(path), kind):
        return kind
    try:
        found = find_for_checkpoint(str(path), _CLASS)
    except ConfigurationError as error:
        name = str(path).rpartition(".")[2]
        raise ConfigurationError(
            f"the checkpoint is one of the class {path!r}, which is not imported for it: import the class, and call "
            f"{name}.load_from_checkpoint(path)"
        ) from error
    if not (inspect.isclass(found) and issubclass(found, kind)):
        raise ConfigurationError(
            f"the checkpoint is one of the class {path!r}, which is no {kind.__name__}: call "
            f"{str(path).rpartition('.')[2]}.load_from_checkpoint(path)"
        )
    return found


def as_arguments(settings: dict[str, Any], kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Make the arguments of a constructor from settings.

    Args:
        settings: of `take_settings`.
        kind: the class.
        given: arguments that were given from Python, which go before those of the checkpoint.

    Returns:
        The arguments that the checkpoint gives.

    Raises:
        ConfigurationError: for a name that a checkpoint may not give, or not in this place.
    """
    left = {name: value for name, value in settings.items() if name not in given and name != _CLASS}
    if _CLASS not in settings:  # saved by a script: plain values, just as the constructor was given them
        return left
    hints = _hints(kind)
    return {name: _built(value, hints.get(name), name) for name, value in left.items()}


def _built(value: Any, hint: Any, setting: str) -> Any:
    """Build what a value stands for: an object, a factory with its settings, or the value."""
    wanted = Wanted() if hint is None else wanted_by(hint)
    if isinstance(value, Mapping) and isinstance(value.get("class_path"), str):
        return _made(value, wanted, setting)
    if isinstance(value, str) and wanted.returns and "." in value:
        found = find_for_checkpoint(value, setting)
        _refuse(complaint(found, wanted), value, setting)
        return found
    if isinstance(value, list):
        items = [_built(item, hint, setting) for item in value]
        return tuple(items) if _wants_a_tuple(hint) else items
    if isinstance(value, str) and Path in wanted_paths(hint):
        return Path(value)
    return value


def _made(value: Mapping[str, Any], wanted: Wanted, setting: str) -> Any:
    path = value["class_path"]
    found = find_for_checkpoint(path, setting)
    what = complaint(found, wanted, has_settings=True) if inspect.isclass(found) else "is no class"
    _refuse(what, path, setting)
    hints = _hints(found)
    given = {**(value.get("init_args") or {}), **(value.get("dict_kwargs") or {})}
    arguments = {name: _built(item, hints.get(name), f"{setting}.{name}") for name, item in given.items()}
    if any(kind in inspect.getmro(found) for kind in wanted.classes):
        return found(**arguments)
    return partial(found, **arguments) if arguments else found


def _refuse(what: str | None, path: str, setting: str) -> None:
    if what is not None:
        raise ConfigurationError(
            f"{setting}={path!r} of the checkpoint {what}: give it from Python, load_from_checkpoint(path, "
            f"{setting.partition('.')[0]}=…)"
        )


def _hints(kind: type) -> dict[str, Any]:
    """Collect the annotations of a constructor's arguments, with those that it passes on to its bases."""
    hints: dict[str, Any] = {}
    for base in kind.__mro__:
        try:
            own = typing.get_type_hints(vars(base)["__init__"])
        except (KeyError, NameError, TypeError, AttributeError):
            continue
        hints = {**own, **hints}
    return hints


def _wants_a_tuple(hint: Any) -> bool:
    """Tell whether a list must become a tuple, which YAML does not know."""
    kinds = [typing.get_origin(hint) or hint, *(typing.get_origin(part) or part for part in typing.get_args(hint))]
    return tuple in kinds and list not in kinds


def wanted_paths(hint: Any) -> tuple[Any, ...]:
    """Return the types that a string may stand for, if it may not stay one.

    Args:
        hint: an annotation.

    Returns:
        Its parts; nothing where a string is among them.
    """
    parts = (hint, *typing.get_args(hint))
    return () if str in parts else parts
