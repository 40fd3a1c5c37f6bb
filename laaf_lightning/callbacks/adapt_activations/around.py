"""Do something around one method of a LightningModule, on the instance, until it is taken off."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from pytorch_lightning import LightningModule

Around = Callable[..., Any]


def put_around(module: LightningModule, name: str, around: Around) -> None:
    """Let a method of a module run within a function.

    A deep copy of the module keeps its own method.

    Args:
        module: the instance.
        name: of the method.
        around: called with the method as it was, bound, and its arguments.
    """
    take_off(module, name)
    inner = f"_laaf_inner_{name}"
    if name in vars(module):
        vars(module)[inner] = vars(module)[name]

    def method(self: LightningModule, *arguments: Any, **named: Any) -> Any:
        own = vars(self).get(inner) or getattr(type(self), name).__get__(self)
        return around(own, *arguments, **named) if self is module else own(*arguments, **named)

    method.__name__ = name
    method.__dict__["laaf_around"] = True
    vars(module)[name] = types.MethodType(method, module)


def take_off(module: LightningModule, name: str) -> None:
    """Give a module its own method back, unless somebody else has replaced it since.

    Args:
        module: the instance, or a copy of it.
        name: of the method.
    """
    if not hasattr(vars(module).get(name), "laaf_around"):
        return
    del vars(module)[name]
    own = vars(module).pop(f"_laaf_inner_{name}", None)
    if own is not None:
        vars(module)[name] = own
