"""Activations that a forward calls as functions: each call gets its slope while that forward runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from laaf_lightning.activations.adapted.classes import looks_like, with_forward
from laaf_lightning.activations.adapted.fast_path import leave_fast_path
from laaf_lightning.activations.adapted.methods import FORWARD
from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.recording.functions import ActivationCall, activation_call
from laaf_lightning.errors import ConfigurationError

CALLS = "adaptive_calls"  # the submodule that holds the slopes of the calls that a module's forward makes
_CHECKPOINT = "torch.utils.checkpoint"
_COMPILED = "<eval_with_key>"  # the file name of graphs


class Expected(NamedTuple):
    """One call of an activation that a forward makes.

    Attributes:
        kind: name of the function.
        settings: numbers that it is called with.
        site: name of its slope; None for a call without one.
        hidden: whether ``torch.compile`` does not show it.
    """

    kind: str
    settings: dict[str, Any]
    site: str | None
    hidden: bool = False


class AdaptiveCalls(nn.Module):
    """The slopes of one forward's calls, as submodules ``relu_1``, ``relu_2`` …; it is no layer.

    Args:
        sites: by name.
        training: the calls in training mode, in order.
        evaluation: those in evaluation mode.
        owner: the path of the module that makes them.
        repeats: whether the forward may make the same calls again and again, as a loop does.

    Attributes:
        methods: of the module that makes them, through which they go, and which nothing but its forward may call.
        compiled: whether ``torch.compile`` shows all of them; else this forward runs as it stands.
    """

    methods: tuple[str, ...] = ()
    compiled = True  # in models that were pickled without

    def __init__(
        self,
        sites: Mapping[str, AdaptiveActivation],
        training: Sequence[Expected],
        evaluation: Sequence[Expected],
        owner: str,
        *,
        repeats: bool = False,
    ) -> None:
        super().__init__()
        for name, site in sites.items():
            self.add_module(name, site)
        self.expected = {True: tuple(training), False: tuple(evaluation)}
        self.compiled = not any(call.hidden for call in (*training, *evaluation))
        self.owner = owner
        self.repeats = repeats

    @property
    def plain_kinds(self) -> list[str]:
        """The calls without a slope."""
        calls = (*self.expected[True], *self.expected[False])
        return [call.kind for call in calls if call.site is None]

    def forward(self, *_arguments: Any, **_named: Any) -> Any:
        """Refuse to be called, as by a forward that goes through all children of its module.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            f"the forward of {self.owner or 'the model'} goes through its own children, and calls what holds the "
            "slopes of its calls as a layer: make these activations modules, or leave them out with where=…"
        )

    def refuse(self, text: str) -> ConfigurationError:
        """Say that a forward is not the one that was recorded.

        Args:
            text: what it does.

        Returns:
            The error.
        """
        return ConfigurationError(
            f"{self.owner or 'the model'} {text}: adapt recorded other calls of activations on its example_input; give "
            "one that takes the same way, or make these activations modules"
        )


class _Interception(TorchFunctionMode):
    """Counts the calls of one forward and gives each its slope."""

    def __init__(self, calls: AdaptiveCalls, training: bool) -> None:
        super().__init__()
        self._calls = calls
        self._expected = calls.expected[training]
        self._taken = 0

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        call = activation_call(function, arguments, named)
        if call is None:
            return function(*arguments, **named)
        within = "" if torch.compiler.is_compiling() else _called_within()
        if within == _COMPILED:
            return function(*arguments, **named)
        with torch._C.DisableTorchFunction():  # an outer forward does not see this one's calls
            return self._compute(call, function, arguments, named, within)

    def check_all_taken(self) -> None:
        wanted = len(self._expected)
        if self._taken != wanted and not (self._calls.repeats and wanted and self._taken % wanted == 0):
            raise self._calls.refuse(f"has called {self._taken} activations in one forward, not {wanted}")

    def _compute(
        self,
        call: ActivationCall,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        named: Mapping[str, Any],
        within: str,
    ) -> Any:
        number, wanted = self._taken, len(self._expected)
        self._taken += 1
        if number >= wanted and not (self._calls.repeats and wanted):
            raise self._calls.refuse(f"calls {call.kind} after {wanted} activations")
        expected = self._expected[number % wanted]
        if not call.matches(expected.kind, expected.settings):
            raise self._calls.refuse(
                f"calls {_said(call.kind, call.settings)}, not {_said(*expected[:2])}, as number {number + 1}"
            )
        if expected.site is None:
            return function(*arguments, **named)
        if within == _CHECKPOINT:
            raise ConfigurationError(
                f"{self._calls.owner or 'the model'}: {expected.site} is called within torch.utils.checkpoint, which "
                "calls it again in the backward pass without its slope: checkpoint whole modules, checkpoint(module, x)"
            )
        site: AdaptiveActivation = getattr(self._calls, expected.site)
        if call.kind == "prelu":
            return nn.functional.prelu(site._scaled(call.argument), call.settings["weight"])
        output: Tensor = site(call.argument)
        return output


def _said(kind: str, settings: Mapping[str, Any]) -> str:
    return (
        f"{kind}({', '.join(f'{name}={value}' for name, value in settings.items() if not isinstance(value, Tensor))})"
    )


def _called_within() -> str:
    """Look between a call and the forward that makes it for what changes its meaning.

    Returns:
        ``torch.utils.checkpoint``; a graph that torch.compile made of a part of the forward, which has the slopes
        already; or an empty text.
    """
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_name != FORWARD:
        if frame.f_globals.get("__name__") == _CHECKPOINT:
            return _CHECKPOINT
        if frame.f_code.co_filename.startswith(_COMPILED):
            return _COMPILED
        frame = frame.f_back  # type: ignore[assignment]
    return ""


@with_forward("calls")
def intercepting(base: type[nn.Module]) -> tuple[tuple[type, ...], dict[str, Any]]:
    """Derive the class of a module whose forward calls activations.

    Args:
        base: the module's own class.

    Returns:
        Its bases and its namespace.
    """

    def forward_with_slopes(self: nn.Module, *arguments: Any, **named: Any) -> Any:
        calls: Any = self._modules[CALLS]
        if not calls.compiled and torch.compiler.is_dynamo_compiling():
            return uncompiled(self, *arguments, **named)
        interception = _Interception(calls, self.training)  # not by `as`, of which torch.compile makes another object
        with interception:
            output = base.forward(self, *arguments, **named)
        interception.check_all_taken()
        return output

    uncompiled = torch.compiler.disable(forward_with_slopes)
    return (base,), {"forward": looks_like(forward_with_slopes, base.forward)}


def intercept(owner: nn.Module, calls: AdaptiveCalls) -> None:
    """Give the calls of activations that a module's forward makes their slopes, in place.

    Args:
        owner: the module; it keeps its class, parameters and hooks.
        calls: what it calls, and the slopes.
    """
    owner.add_module(CALLS, calls.train(owner.training))
    owner.__class__ = intercepting(type(owner), calls.methods)
    leave_fast_path(owner)


def hide_from_interceptions(model: nn.Module) -> None:
    """Let no forward that is intercepted see what an `AdaptiveActivation` within it calls.

    Args:
        model: any module.
    """
    for module in model.modules():
        if isinstance(module, AdaptiveActivation):
            module._unseen = True
