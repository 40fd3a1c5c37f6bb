"""What a closure must do for a method that relies on it: return the loss, compute gradients, be no random function."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from torch import Tensor

from laaf_lightning.errors import ConfigurationError

_HOW = "def closure(): optimizer.zero_grad(); loss = …; loss.backward(); return loss"


def loss_in(result: Any, optimizer: str) -> float:
    """Read the loss that a closure returned.

    Args:
        result: what it returned.
        optimizer: name of the optimiser, for the error.

    Returns:
        The loss.

    Raises:
        ConfigurationError: for anything but one number.

    Example:
        >>> import torch
        >>> loss_in(torch.tensor(0.5), "SelfScaledBroyden")
        0.5
    """
    try:
        return float(result.detach() if isinstance(result, Tensor) else result)
    except (TypeError, ValueError, RuntimeError):
        shown = f"a tensor of shape {tuple(result.shape)}" if isinstance(result, Tensor) else repr(result)
        raise ConfigurationError(
            f"the closure of {optimizer}.step() returned {shown}: it must return the loss, one number, as in {_HOW}; "
            "under Lightning training_step returns the loss"
        ) from None


class GradientWatch:
    """Watches, as a context, whether gradients of some parameters are computed within.

    A backward pass counts, and gradients that are written by hand; clearing them does not.

    Args:
        parameters: those without ``requires_grad`` are passed over.

    Attributes:
        saw_gradients: whether any was computed; set at the end of the context.

    Example:
        >>> import torch
        >>> x = torch.nn.Parameter(torch.ones(2))
        >>> with GradientWatch([x]) as watch:
        ...     _ = x.sum()
        >>> watch.saw_gradients
        False
    """

    saw_gradients = False

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]

    def __enter__(self) -> GradientWatch:
        self._before = [(p.grad, None if p.grad is None else p.grad._version) for p in self._parameters]
        # The one sign of a backward pass whose gradients are zero, as cleared ones are.
        self._hooks = [p.register_post_accumulate_grad_hook(self._note) for p in self._parameters]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        pairs = zip(self._parameters, self._before, strict=True)
        self.saw_gradients = self.saw_gradients or any(_is_written(p.grad, *before) for p, before in pairs)
        self._before = []

    def refuse_none(self, optimizer: str) -> None:
        """Refuse a closure that has computed no gradient.

        Args:
            optimizer: name of the optimiser, for the error.

        Raises:
            ConfigurationError: if none was seen.
        """
        if self._parameters and not self.saw_gradients:
            raise ConfigurationError(
                f"the closure of {optimizer}.step() computed no gradient of any of its parameters, so that nothing "
                f"would be trained: it must call backward() on a loss that depends on them, as in {_HOW}"
            )

    def _note(self, parameter: Tensor) -> None:
        self.saw_gradients = True


class ValueWatch:
    """Notices where an objective is not the one that the last step ended with.

    It may have changed, as with a minibatch or new points, or be random: then two calls at one point differ, which
    costs a call to find out. So it is asked for at the first change, the second, the fourth, the eighth and so on.

    Example:
        >>> watch = ValueWatch()
        >>> watch.note(1.0)
        >>> watch.asks_again(1.0, 1e-8), [watch.asks_again(2.0, 1e-8) for _ in range(4)]
        (False, [True, True, False, True])
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._changes = 0

    def note(self, value: float) -> None:
        """Note the value that a step ends with.

        Args:
            value: the objective there.
        """
        self._last = value

    def asks_again(self, value: float, tolerance: float) -> bool:
        """Tell whether the next step should call the closure twice where it begins.

        Args:
            value: the objective there, where the last step ended.
            tolerance: relative change that is rounding.

        Returns:
            Whether it should.
        """
        if self._last is None or math.isclose(value, self._last, rel_tol=tolerance):
            return False
        self._changes += 1
        return self._changes & (self._changes - 1) == 0


def _is_written(gradient: Tensor | None, before: Tensor | None, version: int | None) -> bool:
    if gradient is None:
        return False
    return gradient is not before or (gradient._version != version and bool(gradient.any()))
