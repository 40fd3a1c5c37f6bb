"""What happens around a module's constructor: its arguments are noted, and afterwards its parts are built."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from typing import Any, Protocol, TypeVar

_ARGUMENTS = "_constructor_arguments"


class _HasParts(Protocol):
    def build_parts(self) -> None: ...


M = TypeVar("M", bound=_HasParts)


class BuiltAfterConstruction(ABCMeta):
    """Metaclass of the modules: ``Module(…)`` calls the constructor, then `build_parts`.

    A subclass may thus set what its ``build_network`` reads before or after ``super().__init__``. The constructors
    themselves stay as they were written, for all that inspect them: Lightning, jsonargparse, type checkers.
    """

    @property
    def __signature__(cls) -> inspect.Signature:
        """The constructor's signature, which `inspect` would look for in the method below."""
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]  # of this class, as it is
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(cls: type[M], *args: Any, **kwargs: Any) -> M:
        """Construct a module and build its parts.

        Args:
            args: of the constructor.
            kwargs: of the constructor.

        Returns:
            The module.

        Raises:
            AttributeError: the constructor's own, with the way out where a part or a setting is not there yet.
        """
        module = cls.__new__(cls, *args, **kwargs)
        vars(module)[_ARGUMENTS] = args, kwargs
        try:
            cls.__init__(module, *args, **kwargs)
        except AttributeError as error:
            if error.obj is not module:
                raise
            raise AttributeError(
                f"{error}; if it is set or built later: in the constructor of {cls.__name__}, set what build_network "
                "reads before super().__init__(), and call self.build_parts() before network or metrics are used"
            ) from error
        del vars(module)[_ARGUMENTS]
        module.build_parts()
        return module


def constructor_arguments(module: object) -> dict[str, Any]:
    """Return what a module is being constructed with, as the outermost constructor names it.

    Args:
        module: a module whose constructor has not returned yet.

    Returns:
        The arguments with the defaults of those that were not given. Positional ones without a name are left out.
    """
    args, kwargs = vars(module)[_ARGUMENTS]
    bound = inspect.signature(type(module)).bind(*args, **kwargs)
    bound.apply_defaults()
    arguments: dict[str, Any] = {}
    for name, parameter in bound.signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments |= bound.arguments[name]
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            arguments[name] = bound.arguments[name]
    return arguments
