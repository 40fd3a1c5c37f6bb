"""Activations that a forward computes without calling a function of torch's that can be intercepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# What torch's dispatcher calls them: functions of other names, as relu6, are made of these.
_NAMES = "relu leaky_relu elu celu selu gelu silu mish softplus hardswish hardsigmoid hardtanh hardshrink softshrink"
_OPERATORS = {name: name for name in [*_NAMES.split(), "threshold", "sigmoid", "tanh"]}
_OPERATORS |= {"_prelu_kernel": "prelu", "rrelu_with_noise": "rrelu", "log_sigmoid_forward": "logsigmoid"}


class Operators(TorchDispatchMode):
    """Tells of each activation that torch computes, whoever calls it: Python, TorchScript or a compiled extension.

    Args:
        tell: is given the name of the function.
    """

    supports_higher_order_operators = True

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tell = tell

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        """Compute as ever."""
        if getattr(function, "namespace", None) == "aten":
            name = function.overloadpacket.__name__
            if (kind := _OPERATORS.get(name, _OPERATORS.get(name.removesuffix("_")))) is not None:
                self._tell(kind)
        return function(*arguments, **(named or {}))


def is_operator(function: Any) -> bool:
    """Tell whether a function is one of ``torch.ops``, which are not intercepted.

    Args:
        function: as a ``TorchFunctionMode`` gets it.

    Returns:
        Whether it is.
    """
    return isinstance(function, (torch._ops.OpOverload, torch._ops.OpOverloadPacket))
