"""A parser that measures YAML before it is read, and checks what settings name before it is called."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader
from pytorch_lightning.cli import LightningArgumentParser

from laaf_lightning.cli.checked.named import check_named
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.yaml_texts import refuse_growth, with_sound_values

_REFUSED: ContextVar[list[ConfigurationError] | None] = ContextVar("settings that were refused", default=None)
_read = get_loader("yaml")
_SHORT = 200  # characters, in which nothing can be nested too deep


def read_measured(text: str) -> Any:
    """Read YAML as jsonargparse does, unless it, or a text in it, would grow beyond all measure.

    Args:
        text: a configuration, a part of one, or a value.

    Returns:
        Its content.
    """
    if _may_grow(text):
        refuse_growth(text, "the configuration")
    content = with_sound_values(_read, text)
    if "&" in text:
        _measure_texts(content)
    return content


set_loader("yaml", read_measured, (yaml.YAMLError,))


class CheckedParser(LightningArgumentParser):
    """Parser that calls nothing which is not wanted in its place.

    The parsers that jsonargparse makes for nested classes are of the same kind, and each checks its own settings.
    """

    def parse_args(  # type: ignore[override]  # the base has overloads
        self, args: Sequence[str] | None = None, *rest: Any, **kwargs: Any
    ) -> Any:
        """Parse arguments, each of which may be YAML.

        Args:
            args: the arguments; None takes those of the process.
            rest: as for the base.
            kwargs: as for the base.

        Returns:
            The settings.

        Raises:
            ConfigurationError: for values that grow beyond all measure, and a file that is no text.
        """
        given = [*(sys.argv[1:] if args is None else args)]
        for argument in given:
            if "&" in argument:
                refuse_growth(argument.partition("=")[2] or argument, argument.partition("=")[0][:40])
        try:
            return super().parse_args(args, *rest, **kwargs)
        except UnicodeDecodeError as error:
            raise ConfigurationError(
                f"{_holding(error.object, given)} is no text in UTF-8 (byte {error.start}: {error.reason}); "
                "save it as such"
            ) from error

    def instantiate(self, *args: Any, **kwargs: Any) -> Any:
        """Instantiate what settings name, once it is known that it may be called.

        Args:
            args: as for the base; the first are the settings.
            kwargs: as for the base.

        Returns:
            The objects.
        """
        return self._checked(super().instantiate, *args, **kwargs)

    def instantiate_classes(self, *args: Any, **kwargs: Any) -> Any:
        """Do the same by the name that Lightning calls it.

        Args:
            args: as for the base; the first are the settings.
            kwargs: as for the base.

        Returns:
            The objects.
        """
        if hasattr(super(), "instantiate"):  # jsonargparse from 4.49 on
            return self.instantiate(*args, **kwargs)
        return self._checked(super().instantiate_classes, *args, **kwargs)

    def _checked(self, instantiate: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Check what this parser's settings name, then instantiate it.

        jsonargparse tries every type that a setting may have, and forgets why the others were refused: the outermost
        parser remembers.

        Returns:
            The objects.

        Raises:
            ConfigurationError: for what must not be called.
        """
        refused = _REFUSED.get()
        if refused is not None:
            try:
                check_named(self._actions, args[0] if args else kwargs["cfg"])
            except ConfigurationError as error:
                refused.append(error)
                raise
            return instantiate(*args, **kwargs)
        token = _REFUSED.set(refused := [])
        try:
            objects = self._checked(instantiate, *args, **kwargs)
        except Exception as error:
            if refused and error is not refused[0]:
                raise refused[0] from error
            raise
        finally:
            _REFUSED.reset(token)
        if refused:
            raise refused[0]
        return objects


def _holding(content: bytes, arguments: Iterable[str]) -> str:
    """Name the file of an argument that holds some bytes."""
    for argument in arguments:
        file = Path(argument.rpartition("=")[2])
        with contextlib.suppress(OSError, ValueError):
            if file.is_file() and file.read_bytes().startswith(content):
                return repr(str(file))
    return "a configuration"


def _may_grow(text: str) -> bool:
    return "&" in text or len(text) > _SHORT


def _measure_texts(content: Any) -> None:
    """Measure the texts in a configuration: a text is read again where a number is wanted."""
    if isinstance(content, str):
        if "&" in content and "*" in content:
            refuse_growth(content, "a text in the configuration")
    elif isinstance(content, Mapping):
        for value in content.values():
            _measure_texts(value)
    elif isinstance(content, list):
        for value in content:
            _measure_texts(value)
