"""The closure of an optimiser as a function on lines."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError, NonFiniteError
from laaf_lightning.optimizers.closure_checks import GradientWatch, loss_in
from laaf_lightning.optimizers.flat_parameters import FlatParameters
from laaf_lightning.optimizers.strong_wolfe import Trial


class Objective:
    """The closure along lines in the parameter space.

    Args:
        closure: evaluates the loss and its gradients, returns the loss.
        flat: the parameters.

    Attributes:
        direction: of the present line, shape (n,).
        evaluations: number of calls of the closure.
        first_value: what the closure returned first.
        rounding: relative difference of two losses that counts as rounding.
    """

    def __init__(self, closure: Callable[[], Any], flat: FlatParameters) -> None:
        self._closure, self._flat = closure, flat
        self._origin = flat.values()
        self.rounding = math.sqrt(torch.finfo(self._origin.dtype).eps)
        self._length = 0.0
        self.direction = torch.zeros_like(self._origin)
        self.evaluations = 0
        self.first_value: Any = None

    def at_start(self) -> Trial:
        """Evaluate where the step begins, and refuse what is not finite, and a closure that computes no gradient.

        Returns:
            The trial, of length 0.

        Raises:
            NonFiniteError: if the loss or its gradient is not finite.
        """
        with GradientWatch(self._flat.parameters) as watch:
            trial = self._evaluate(0.0)
        watch.refuse_none("SelfScaledBroyden")
        if not (math.isfinite(trial.value) and bool(trial.gradient.isfinite().all())):
            what = f"the loss {trial.value}" if not math.isfinite(trial.value) else "the loss's gradient"
            raise NonFiniteError(
                f"{what} is not finite where SelfScaledBroyden's step begins, and the parameters are as they were: "
                "check the data, or the optimiser that came before"
            )
        return trial

    def refuse_randomness(self, present: Trial) -> None:
        """Evaluate the same point again and compare values and gradients, where the gradient is still large.

        Args:
            present: the first evaluation.

        Raises:
            ConfigurationError: if they differ by more than rounding.
        """
        again, tolerance = self._evaluate(0.0), self.rounding
        change = abs(again.value - present.value)
        gradient_change = (again.gradient - present.gradient).abs().max().item()
        largest = present.gradient.abs().max().item()
        if change <= tolerance * abs(present.value) and gradient_change <= tolerance * largest:
            return
        self._refuse(present, again, f", and gradients that differ by {gradient_change:.3g} of {largest:.3g}")

    def refuse_randomness_later(self, present: Trial) -> None:
        """Evaluate the same point again and compare values: near a minimum rounding may be much of a gradient.

        Args:
            present: the first evaluation.
        """
        again = self._evaluate(0.0)
        if not math.isclose(present.value, again.value, rel_tol=math.sqrt(self.rounding)):
            self._refuse(present, again)

    def _refuse(self, present: Trial, again: Trial, gradients: str = "") -> NoReturn:
        raise ConfigurationError(
            f"two calls of the closure at the same parameters gave the losses {present.value:.9g} and "
            f"{again.value:.9g}{gradients}: SelfScaledBroyden needs the same objective at each call of a step. "
            "Take out what is random (dropout, points drawn in the loss), train batch norm with another optimiser, and "
            "let the closure clear the gradients (accumulate_grad_batches=1)"
        )

    def look_along(self, direction: Tensor) -> None:
        """Make the present point the origin of a line.

        Args:
            direction: shape (n,).
        """
        self._origin, self._length, self.direction = self._flat.values(), 0.0, direction

    def at(self, length: float) -> Trial:
        """Evaluate on the line.

        Args:
            length: how many times the direction.

        Returns:
            The trial; its value is infinite where the loss or its gradient is not finite.
        """
        self.move_to(length)
        return self._evaluate(length)

    def move_to(self, length: float) -> None:
        """Set the parameters to a point of the line.

        Args:
            length: how many times the direction.
        """
        if length != self._length:
            self._flat.set_values(torch.add(self._origin, self.direction, alpha=length))
            self._length = length

    def _evaluate(self, length: float) -> Trial:
        result = self._closure()
        if self.evaluations == 0:
            self.first_value = result
        self.evaluations += 1
        gradient = self._flat.gradient()
        value, slope = loss_in(result, "SelfScaledBroyden"), torch.dot(gradient, self.direction).item()
        if not (math.isfinite(value) and math.isfinite(slope)) and self.direction.any():
            value = math.inf
        return Trial(length, value, slope, gradient)
