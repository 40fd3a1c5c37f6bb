"""Methods that a forward calls, and that call activations: outside of it these would be plain, which is an error."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable
from types import CodeType, FrameType, FunctionType
from typing import Any

import torch
from torch import nn

from laaf_lightning.errors import ConfigurationError

FORWARD = "forward_with_slopes"  # the name of the function that intercepts


def methods_among(kind: type[nn.Module], codes: Iterable[CodeType]) -> tuple[str, ...]:
    """Find the methods of a module's class through which calls go.

    Args:
        kind: the class.
        codes: that stand between its forward and the calls.

    Returns:
        Their names, without ``forward``.
    """
    wanted = {*codes}
    own = {name for base in kind.__mro__ if base not in nn.Module.__mro__ for name in vars(base)} - {"forward"}
    functions = {name: inspect.getattr_static(kind, name) for name in own if not name.startswith("__")}
    return tuple(
        sorted(
            name
            for name, function in functions.items()
            if isinstance(function, FunctionType) and inspect.unwrap(function).__code__ in wanted
        )
    )


def only_in_forward(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method be called by the forward of its own module alone.

    Args:
        name: of the method.
        method: as its class has it.

    Returns:
        The method that raises an error elsewhere.
    """

    @functools.wraps(method)
    def within(self: nn.Module, *arguments: Any, **named: Any) -> Any:
        if not torch.compiler.is_compiling() and not _in_forward_of(self):
            raise ConfigurationError(
                f"{type(self).__name__}.{name} is called outside of forward, where the activations that it calls as "
                "functions have no slopes: call the model itself, or make these activations modules before adapt"
            )
        return method(self, *arguments, **named)

    return within


def _in_forward_of(module: nn.Module) -> bool:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name == FORWARD and frame.f_locals.get("self") is module:
            return True
        frame = frame.f_back
    return False
