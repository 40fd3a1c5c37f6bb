"""Modules that get another forward and stay what they are: the same object, an instance of the same class."""

from __future__ import annotations

import copyreg
import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn
from torch.nn.utils import parametrize

from laaf_lightning.activations.adapted.methods import only_in_forward

M = TypeVar("M", bound=nn.Module)
Forward = Callable[..., Any]
_MAKERS: dict[str, Callable[[type[nn.Module]], tuple[tuple[type, ...], dict[str, Any]]]] = {}


def with_forward(
    name: str,
) -> Callable[[Callable[[type[nn.Module]], tuple[tuple[type, ...], dict[str, Any]]]], Callable[..., type[nn.Module]]]:
    """Register a way to derive a class from a module's own, under a name that pickles hold.

    Args:
        name: of the way.

    Returns:
        A decorator of a function that takes the module's class and returns the bases and the namespace of the new one.
        The function that it returns gives the class.
    """

    def decorate(
        make: Callable[[type[nn.Module]], tuple[tuple[type, ...], dict[str, Any]]],
    ) -> Callable[..., type[nn.Module]]:
        _MAKERS[name] = make
        return functools.partial(derived, name)

    return decorate


class _Unannounced(nn.Module):
    """Keeps the class that is derived from a module's own from its ``__init_subclass__``, which may register it."""

    def __init_subclass__(cls, **_arguments: Any) -> None:
        """Announce nothing."""


@functools.cache
def derived(name: str, base: type[nn.Module], methods: tuple[str, ...] = ()) -> type[nn.Module]:
    """Derive a class; the same one for the same class.

    Args:
        name: of a registered way.
        base: the module's own class.
        methods: that only its forward may call.

    Returns:
        A subclass that bears the same name, can be pickled and copied, and refuses to be scripted.
    """
    bases, namespace = _MAKERS[name](base)
    guarded = {method: only_in_forward(method, getattr(base, method)) for method in methods}

    def reduce(self: nn.Module, protocol: Any) -> Any:
        reduced: Any = base.__reduce_ex__(self, protocol)
        made, arguments, *rest = reduced
        assert made is copyreg.__newobj__  # type: ignore[attr-defined]  # others are refused before
        if methods:
            return (new_with_methods, (name, base, methods, *arguments[1:]), *rest)
        return (new_of, (name, base, *arguments[1:]), *rest)

    meta: Any = type(base)
    kind: type[nn.Module] = meta(
        base.__name__,
        (_Unannounced, *bases),
        {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
        | {"__reduce_ex__": reduce, "plain_class": base}
        | namespace
        | guarded,
    )
    return kind


def new_of(name: str, base: type[nn.Module], *arguments: Any) -> nn.Module:
    """Make an empty instance of a derived class; pickles call it.

    Args:
        name: of a registered way.
        base: the module's own class.
        arguments: of its ``__new__``.

    Returns:
        An instance without state.
    """
    return new_with_methods(name, base, (), *arguments)


def new_with_methods(name: str, base: type[nn.Module], methods: tuple[str, ...], *arguments: Any) -> nn.Module:
    """Make an empty instance of a derived class with methods that only its forward may call; pickles call it.

    Args:
        name: of a registered way.
        base: the module's own class.
        methods: their names.
        *arguments: of its ``__new__``.

    Returns:
        An instance without state.
    """
    kind: Any = derived(name, base, methods)  # type: ignore[arg-type]  # a class is hashable
    module: nn.Module = kind.__new__(kind, *arguments)
    return module


def looks_like(forward: Forward, original: Forward) -> Forward:
    """Give a forward the name, the text and the signature of another one.

    Args:
        forward: the new one.
        original: that it stands for.

    Returns:
        `forward`. It is no wrapper in the sense of ``inspect``, so that TorchScript does not compile the original
        instead.
    """
    functools.update_wrapper(forward, original)
    del forward.__wrapped__  # type: ignore[attr-defined]
    forward.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    return forward


def why_not(module: nn.Module) -> str | None:
    """Say why a module's forward cannot be replaced.

    Args:
        module: any module.

    Returns:
        The reason; None where it can.
    """
    if "forward" in vars(module):
        return "its forward was replaced on the instance: adapt the model before"
    if parametrize.is_parametrized(module):
        return "its own parameters are parametrized: adapt the model before register_parametrization"
    own = inspect.getattr_static(type(module), "__deepcopy__", None)
    if own is not None or hasattr(module, "graph"):
        return "a traced, scripted or exported graph: adapt the model before"
    reduced = type(module).__reduce_ex__ is not object.__reduce_ex__ and not hasattr(type(module), "plain_class")
    if reduced or type(module).__reduce__ is not object.__reduce__:
        return "its class is copied in a way of its own"
    return None
