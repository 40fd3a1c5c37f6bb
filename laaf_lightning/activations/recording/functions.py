"""The elementwise activations that torch has as functions, methods and in-place forms, and their modules."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import get_overridable_functions

from laaf_lightning.activations.elementwise import FUNCTIONS, Activation

F = nn.functional
# Name, the module that computes it, and what both take beside the argument, in the function's order.
_KINDS: dict[str, tuple[type[nn.Module] | None, tuple[str, ...]]] = {
    "relu": (nn.ReLU, ()),
    "relu6": (nn.ReLU6, ()),
    "leaky_relu": (nn.LeakyReLU, ("negative_slope",)),
    "elu": (nn.ELU, ("alpha",)),
    "celu": (nn.CELU, ("alpha",)),
    "selu": (nn.SELU, ()),
    "gelu": (nn.GELU, ("approximate",)),
    "silu": (nn.SiLU, ()),
    "mish": (nn.Mish, ()),
    "softplus": (nn.Softplus, ("beta", "threshold")),
    "softsign": (nn.Softsign, ()),
    "hardswish": (nn.Hardswish, ()),
    "hardsigmoid": (nn.Hardsigmoid, ()),
    "hardtanh": (nn.Hardtanh, ("min_val", "max_val")),
    "hardshrink": (nn.Hardshrink, ("lambd",)),
    "softshrink": (nn.Softshrink, ("lambd",)),
    "tanhshrink": (nn.Tanhshrink, ()),
    "logsigmoid": (nn.LogSigmoid, ()),
    "threshold": (nn.Threshold, ("threshold", "value")),
    "sigmoid": (nn.Sigmoid, ()),
    "tanh": (nn.Tanh, ()),
    "sin": (None, ()),
    "prelu": (None, ("weight",)),
    "rrelu": (None, ("lower", "upper", "training")),
}


_SHOWN = {*itertools.chain.from_iterable(get_overridable_functions().values())}
_DEFAULTS: dict[str, dict[str, Any]] = {
    name: {} if kind is None else {key: p.default for key, p in inspect.signature(kind).parameters.items()}
    for name, (kind, _) in _KINDS.items()
}


class ActivationCall(NamedTuple):
    """An activation that a forward calls as a function.

    Attributes:
        kind: its name, ``"relu"``.
        argument: z.
        settings: what it is called with beside z, by name; defaults left out.
        in_place: whether z is overwritten.
    """

    kind: str
    argument: Tensor
    settings: dict[str, Any]
    in_place: bool

    def matches(self, kind: str, settings: Mapping[str, Any]) -> bool:
        """Tell whether it is the call that was recorded; tensors among the settings may be others.

        Args:
            kind: that was recorded.
            settings: that were recorded.

        Returns:
            Whether name and numbers are the same.
        """
        return self.kind == kind and plain(self.settings) == plain(_without_defaults(kind, settings))


def _forms(name: str) -> list[tuple[Callable[..., Any], bool]]:
    """List the functions and methods of one name, and whether each is in place."""
    homes: list[Any] = [F, torch, torch.Tensor, torch.special]
    forms = [(getattr(home, name, None), False) for home in homes]
    forms += [(getattr(home, f"{name}_", None), True) for home in homes]
    aliases = {"sigmoid": "expit"}
    forms += [(getattr(torch.special, aliases.get(name, ""), None), False)]
    return [(form, in_place) for form, in_place in forms if callable(form) and not inspect.isclass(form)]


_CALLS: dict[Callable[..., Any], tuple[str, bool]] = {
    form: (name, in_place) for name in _KINDS for form, in_place in _forms(name)
}


def activation_call(
    function: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]
) -> ActivationCall | None:
    """Read a call of a torch function.

    Args:
        function: as a ``TorchFunctionMode`` gets it.
        arguments: its positional arguments.
        named: its keyword arguments.

    Returns:
        The call; None for any other function, and where the argument is no tensor of floating-point or complex numbers.
    """
    if function not in _CALLS:
        return None
    kind, in_place = _CALLS[function]
    names = ("input", *_KINDS[kind][1], "inplace")
    settings = {**dict(zip(names[: len(arguments)], arguments, strict=True)), **named}
    argument = settings.pop("input", None)
    if not isinstance(argument, Tensor) or "out" in settings:
        return None
    if not (argument.is_floating_point() or argument.is_complex()):
        return None
    settings.pop("_stacklevel", None)
    in_place = bool(settings.pop("inplace", False)) or in_place
    return ActivationCall(kind, argument, _without_defaults(kind, settings), in_place)


def _without_defaults(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what makes no difference: torch.compile does so, and other callers do not."""
    defaults = _DEFAULTS[kind]
    return {name: value for name, value in settings.items() if isinstance(value, Tensor) or value != defaults.get(name)}


def is_form(function: Callable[..., Any]) -> bool:
    """Tell whether a torch function is an activation, whatever it is called with.

    Args:
        function: as a ``TorchFunctionMode`` gets it.

    Returns:
        Whether it is.
    """
    return function in _CALLS


def is_hidden_when_compiled(function: Any) -> bool:
    """Tell whether ``torch.compile`` takes a form of an activation into its graph without showing it to a mode.

    Args:
        function: any.

    Returns:
        Whether it is one of ``F.tanh``, ``F.sigmoid``, ``F.hardswish``, ``torch.relu_`` and the like.
    """
    return function in _CALLS and function not in _SHOWN


def activation_of(kind: str, settings: Mapping[str, Any]) -> Activation | None:
    """Return σ as a module or a name.

    Args:
        kind: of an `ActivationCall`.
        settings: of the same call.

    Returns:
        What `AdaptiveActivation` takes; None where σ needs a tensor of the call, as ``prelu`` does.
    """
    module, _ = _KINDS[kind]
    if module is not None:
        return module(**settings)
    return kind if kind in FUNCTIONS else None


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave tensors out of the settings of a call.

    Args:
        settings: of an `ActivationCall`.

    Returns:
        Numbers and strings, by name.
    """
    return {name: value for name, value in settings.items() if not isinstance(value, Tensor)}
