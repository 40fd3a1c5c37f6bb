"""A line search for the strong Wolfe conditions that never loops for ever and keeps the best point it saw."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

_EXPANSION = 2.0
_NEAREST = 0.1  # a trial keeps this part of the bracket away from both ends


class Trial(NamedTuple):
    """The objective at a step length.

    Attributes:
        length: α ≥ 0.
        value: f(x + αp); infinite where the closure gave no finite number.
        slope: its derivative in α, g(x + αp)·p.
        gradient: g(x + αp), shape (n,).
    """

    length: float
    value: float
    slope: float
    gradient: Tensor


class Found(NamedTuple):
    """The accepted step; why the search ended early, else None."""

    trial: Trial
    failure: str | None


class StrongWolfe:
    r"""Find α with :math:`f(x + αp) ≤ f(x) + c_1 α g·p` and :math:`|g(x + αp)·p| ≤ c_2 |g·p|`.

    Bracketing and cubic interpolation; a value that is not finite counts as too long a step. If the evaluations end
    before both conditions hold, the lowest point is taken, which may be the start itself.

    Source: Nocedal & Wright, Numerical Optimization, 2nd ed., algorithms 3.5 and 3.6, eq. 3.59.

    Args:
        evaluate: the trial at a step length.
        start: the trial at 0, with a negative slope.
        c1: of sufficient decrease.
        c2: of curvature, > c1.
        max_evaluations: most calls of `evaluate`, ≥ 1.
    """

    def __init__(
        self, evaluate: Callable[[float], Trial], start: Trial, *, c1: float, c2: float, max_evaluations: int
    ) -> None:
        self._evaluate, self._start = evaluate, start
        self._c1, self._c2, self._left = c1, c2, max_evaluations
        self._best = start

    def search(self, length: float) -> Found:
        """Search from a first step length on.

        Args:
            length: the first trial, > 0.

        Returns:
            The step, and why it does not meet the conditions, if so.
        """
        previous = self._start
        while self._left:
            trial = self._try(length)
            if self._is_too_long(trial) or (previous is not self._start and trial.value >= previous.value):
                return self._zoom(previous, trial)
            if self._is_flat(trial):
                return Found(trial, None)
            if trial.slope >= 0:
                return self._zoom(trial, previous)
            previous, length = trial, _EXPANSION * length
        return Found(self._best, "the objective falls along the whole line: it may be unbounded below")

    def _zoom(self, low: Trial, high: Trial) -> Found:
        """Narrow a bracket whose end `low` has the lower value and a slope that points to `high`."""
        while self._left:
            length = _interpolate(low, high)
            if length in {low.length, high.length}:
                return Found(self._best, "the bracket has shrunk to rounding error")
            trial = self._try(length)
            if self._is_too_long(trial) or trial.value >= low.value:
                high = trial
                continue
            if self._is_flat(trial):
                return Found(trial, None)
            if trial.slope * (high.length - low.length) >= 0:
                high = low
            low = trial
        return Found(self._best, "no step length met the Wolfe conditions within the evaluations allowed")

    def _try(self, length: float) -> Trial:
        self._left -= 1
        trial = self._evaluate(length)
        if trial.value < self._best.value:
            self._best = trial
        return trial

    def _is_too_long(self, trial: Trial) -> bool:
        return not trial.value <= self._start.value + self._c1 * trial.length * self._start.slope

    def _is_flat(self, trial: Trial) -> bool:
        return abs(trial.slope) <= -self._c2 * self._start.slope


def _interpolate(one: Trial, two: Trial) -> float:
    """Return the minimiser of the cubic through two trials, kept inside the bracket; its middle if there is none."""
    left, right = sorted((one, two), key=lambda trial: trial.length)
    width = right.length - left.length
    middle = left.length + width / 2
    if not math.isfinite(right.value):
        return left.length + _NEAREST * width
    d1 = left.slope + right.slope - 3 * (right.value - left.value) / width
    square = d1 * d1 - left.slope * right.slope
    if not square >= 0:
        return middle
    d2 = math.sqrt(square)
    denominator = right.slope - left.slope + 2 * d2
    if denominator == 0:
        return middle
    length = right.length - width * (right.slope + d2 - d1) / denominator
    return min(max(length, left.length + _NEAREST * width), right.length - _NEAREST * width)
