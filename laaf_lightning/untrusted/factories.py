"""What may be called where: a subclass, a factory of what is wanted, a function of tensors."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import sys
import types
import typing
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_NO_PYTHON = {"math", "cmath", "statistics"}  # modules of Python whose functions only compute


@dataclass(frozen=True)
class Wanted:
    """What an annotation lets be named: classes, and functions by what they return.

    Attributes:
        classes: an instance of one of them is wanted.
        returns: what callables return, where one is wanted; Any where the annotation does not say.
        anything: whether the annotation says nothing.
    """

    classes: tuple[type, ...] = ()
    returns: tuple[Any, ...] = ()
    anything: bool = False

    def __or__(self, other: Wanted) -> Wanted:
        return Wanted(self.classes + other.classes, self.returns + other.returns, self.anything or other.anything)

    @property
    def made(self) -> tuple[type, ...]:
        """The classes of what may be made, by a constructor or a factory."""
        return (*self.classes, *(kind for kind in self.returns if _is_own_class(kind)))

    def __bool__(self) -> bool:
        return bool(self.classes or self.returns or self.anything)


def wanted_by(hint: Any) -> Wanted:
    """Read an annotation.

    Args:
        hint: the annotation, with unions and containers.

    Returns:
        What may stand there by name; nothing for plain values.

    Example:
        >>> wanted_by(int | None | Callable[[Tensor], Tensor])
        Wanted(classes=(), returns=(<class 'torch.Tensor'>,), anything=False)
    """
    hint = _without_aliases(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Callable or hint is typing.Callable or origin is collections.abc.Callable:
        return Wanted(returns=_alternatives(arguments[-1] if arguments else Any))
    if hint in {None, type, types.NoneType} or origin in {type, typing.Literal}:
        return Wanted()
    own = (kind for kind in (hint, origin) if _is_own_class(kind))
    found = Wanted((*own,), anything=hint is Any or not (arguments or inspect.isclass(hint)))
    for argument in arguments:
        found |= Wanted() if argument is Ellipsis else wanted_by(argument)
    return found


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """Take a union apart."""
    hint = _without_aliases(hint)
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return tuple(each for part in typing.get_args(hint) for each in _alternatives(part))
    return (hint,)


def _without_aliases(hint: Any) -> Any:
    """Return what an annotation stands for; Any, which is no class, where it says nothing."""
    if typing.get_origin(hint) is typing.Annotated:
        return _without_aliases(typing.get_args(hint)[0])
    if isinstance(hint, typing.TypeVar):
        return _without_aliases(hint.__bound__ or Any)
    if hint in {inspect.Parameter.empty, object} or isinstance(hint, (str, typing.ForwardRef)):
        return Any
    return _without_aliases(hint.__value__) if hasattr(hint, "__value__") else hint


def complaint(thing: Any, wanted: Wanted, *, has_settings: bool = False) -> str | None:
    """Say why something that was named may not be called.

    Args:
        thing: what stands behind the name.
        wanted: what may stand there.
        has_settings: whether it would be called at once, with settings of its own.

    Returns:
        A clause, such as ``"is a function, and a subclass of Optimizer is wanted"``; None if it may be called.

    Example:
        >>> import os
        >>> complaint(os.system, Wanted(returns=(torch.optim.Optimizer,)), has_settings=True)
        'is a function, and a subclass of Optimizer is wanted'
        >>> complaint(torch.optim.Adam, Wanted(returns=(torch.optim.Optimizer,)))
    """
    if inspect.isclass(thing):
        if any(kind in inspect.getmro(thing) for kind in wanted.made if kind is not object):
            return None  # by descent: a process has what makes a context manager, too
        return f"is a class, and {_in_words(wanted, has_settings)} is wanted"
    if has_settings:
        made = wanted.classes
        fits = any(_returns(thing, kind) for kind in made)
    else:
        fits = any(_returns(thing, kind) for kind in wanted.classes)
        fits = fits or any(_is_function_for(thing, kind) for kind in wanted.returns)
    what = "a function" if inspect.isroutine(thing) else f"a {type(thing).__name__}"
    return None if fits else f"is {what}, and {_in_words(wanted, has_settings)} is wanted"


def is_module_factory(thing: Any) -> bool:
    """Tell whether something makes an ``nn.Module``: a class of one, or a function that says that it returns one.

    Args:
        thing: what stands behind a name.

    Returns:
        Whether it may be called for a network.

    Example:
        >>> is_module_factory(torch.nn.Linear), is_module_factory(print)
        (True, False)
    """
    return complaint(thing, Wanted((torch.nn.Module,))) is None


def _in_words(wanted: Wanted, has_settings: bool) -> str:
    said = [f"a subclass of {kind.__name__}" for kind in dict.fromkeys(wanted.made) if not _is_plain(kind)]
    functions = []
    if Tensor in wanted.returns:
        functions.append(
            "an elementwise function of tensors, one of torch.nn.functional or your own 'def name(x: Tensor) -> Tensor'"
        )
    if not has_settings:
        made = [kind for kind in wanted.returns if _is_own_class(kind) and kind is not Tensor]
        functions += [f"a function 'def name(…) -> {kind.__name__}'" for kind in dict.fromkeys(made)]
    if any(not _is_own_class(kind) for kind in wanted.returns):
        functions.append("a function of your own")
    alone = " (by its path alone, without init_args)" if functions and has_settings else ""
    return (" or ".join([*said, *functions]) or "a plain value") + alone


def _is_function_for(thing: Any, kind: Any) -> bool:
    if kind is Tensor:
        return _is_of_tensors(thing) or _returns(thing, Tensor)
    if _is_own_class(kind):
        return _returns(thing, kind)
    return _computes(thing)


def _is_of_tensors(thing: Any) -> bool:
    try:
        return thing in _functions_of_torch()
    except TypeError:  # not hashable
        return False


@functools.cache
def _functions_of_torch() -> frozenset[Any]:
    """Functions that dispatch on a tensor among their arguments: those that compute with tensors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = torch.overrides.get_overridable_functions()
    return frozenset(function for functions in found.values() for function in functions)


def _computes(thing: Any) -> bool:
    """Tell a function of the user's, or of a library, from Python's own, which open files and start processes."""
    if isinstance(thing, functools.partial):
        return _computes(thing.func)
    function = thing if inspect.isroutine(thing) else type(thing)
    package = str(getattr(function, "__module__", None) or "builtins").partition(".")[0]
    return package in _NO_PYTHON or (
        package not in sys.stdlib_module_names and isinstance(function, (type, types.FunctionType, types.MethodType))
    )


def _returns(function: Any, kind: type) -> bool:
    """Tell whether a function says that it returns a kind."""
    try:
        returned = typing.get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError):  # an annotation of what is imported for type checkers only
        return False
    return inspect.isclass(returned) and kind in inspect.getmro(returned)


def _is_own_class(kind: Any) -> bool:
    return inspect.isclass(kind) and kind is not Any and kind.__module__ not in {"builtins", "typing", "types"}


def _is_plain(kind: type) -> bool:
    return kind is Tensor or kind.__module__ in {"collections", "collections.abc", "pathlib", "os", "datetime"}
