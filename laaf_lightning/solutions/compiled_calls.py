"""Functions of a module through ``torch.compile``, each module with compilations of its own."""

from __future__ import annotations

import types
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from laaf_lightning.errors import ConfigurationError

_TRACES_GRAD = "trace_autograd_ops"


class Compiled:
    """Calls functions, compiled at their first call if asked to.

    torch keeps compilations by code object, eight at most for each, and then goes on without compiling: functions
    are therefore copied with a code object of their own. Nothing compiled is copied or pickled with a module.

    Args:
        enabled: whether to compile.
        differentiates: whether the functions call ``torch.autograd.grad`` inside, by their second argument, points.

    Raises:
        ConfigurationError: if they do, and this torch cannot trace it.
    """

    def __init__(self, *, enabled: bool = False, differentiates: bool = False) -> None:
        self.enabled, self.differentiates = enabled, differentiates
        self._functions: dict[Callable[..., Any], Callable[..., Any]] = {}
        if enabled and differentiates and not can_trace_grad():
            raise ConfigurationError(
                f"compile=True with nested autograd needs a torch that can trace torch.autograd.grad (2.14; this is "
                f"{torch.__version__}): leave compile at false, or take a network that Taylor mode can differentiate"
            )

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function.

        Args:
            function: of module level; its arguments are the module, points (N, d), and others.
            arguments: what it is called with.

        Returns:
            Its value.
        """
        if not self.enabled:
            return function(*arguments)
        if function not in self._functions:
            self._functions[function] = torch.compile(_with_code_of_its_own(function))
        if not self.differentiates:
            return self._functions[function](*arguments)
        module, points, *others = arguments
        with _tracing_grad():
            # Made a leaf that requires a gradient here, since it cannot be done while tracing.
            return self._functions[function](module, points.detach().requires_grad_(), *others)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.enabled, self.differentiates)


def can_trace_grad() -> bool:
    """Tell whether ``torch.compile`` can trace ``torch.autograd.grad``.

    Returns:
        Whether this torch has the option; it is not a stable one.
    """
    import torch._dynamo.config  # noqa: PLC0415  # a slow import

    return hasattr(torch._dynamo.config, _TRACES_GRAD)


def _tracing_grad() -> AbstractContextManager[Any]:
    import torch._dynamo.config  # noqa: PLC0415  # as above

    patch: Callable[..., AbstractContextManager[Any]] = torch._dynamo.config.patch
    return patch({_TRACES_GRAD: True})


def _with_code_of_its_own(function: Callable[..., Any]) -> Callable[..., Any]:
    assert isinstance(function, types.FunctionType)
    return types.FunctionType(function.__code__.replace(), function.__globals__, function.__name__)


def _rebuilt(enabled: bool, differentiates: bool) -> Compiled:
    return Compiled(enabled=enabled, differentiates=differentiates)
