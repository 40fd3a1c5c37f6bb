"""Weights of the slope recovery term as functions of the optimiser step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from numbers import Real
from typing import TypeGuard

from laaf_lightning.errors import ConfigurationError


class WeightSchedule(ABC):
    """The weight W_a of slope recovery at an optimiser step.

    Subclass it and override `__call__` for a schedule of one's own; schedules hold plain numbers only, and the
    step comes from the Trainer, so that a resumed run goes on where it stopped.

    Args:
        weight: the weight at step 0, finite and ≥ 0.

    Raises:
        ConfigurationError: for a negative or non-finite weight.
    """

    def __init__(self, weight: float = 1.0) -> None:
        if not _is_weight(weight):
            _refuse_class(weight)
            raise ConfigurationError(
                f"weight={weight!r} of the slope recovery term must be a finite number >= 0, or a WeightSchedule such "
                "as OffAfter(steps=1000); 0 only logs (--slope_recovery.weight 0)"
            )
        self.weight = float(weight)

    @property
    def is_always_zero(self) -> bool:
        """Whether the weight is zero at every step, so that the term need not be there at all."""
        return False

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return W_a.

        Args:
            step: number of optimiser steps taken so far.

        Returns:
            The weight, ≥ 0.
        """

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


def weight_at(schedule: WeightSchedule, step: int) -> float:
    """Ask a schedule for the weight at a step, and refuse what is not one.

    Args:
        schedule: the schedule.
        step: number of optimiser steps taken so far.

    Returns:
        W_a ≥ 0.

    Raises:
        ConfigurationError: if the schedule returns anything but a finite number ≥ 0.
    """
    weight = schedule(step)
    if not _is_weight(weight):
        raise ConfigurationError(
            f"the schedule {schedule} gave the weight {weight!r} at step {step}: it must return a finite number >= 0"
        )
    return float(weight)


def _is_weight(value: object) -> TypeGuard[Real]:
    """Tell a number that can be a weight, one of NumPy's too."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value) and float(value) >= 0


def _refuse_class(weight: object) -> None:
    if isinstance(weight, type):
        name = weight.__name__
        raise ConfigurationError(
            f"weight={name} of the slope recovery term is a class: give an instance, weight={name}(…), or on the "
            f"command line --slope_recovery.weight {name}"
        )


class ConstantWeight(WeightSchedule):
    """The same weight at every step, as in the paper.

    Args:
        weight: W_a, finite and ≥ 0.

    Example:
        >>> ConstantWeight(0.5)(1000)
        0.5
    """

    @property
    def is_always_zero(self) -> bool:
        """Whether the constant is zero."""
        return self.weight == 0

    def __call__(self, step: int) -> float:
        """Return the constant.

        Args:
            step: not used.

        Returns:
            W_a.
        """
        return self.weight


class _Ending(WeightSchedule):
    """A schedule that is zero from step `steps` on."""

    def __init__(self, weight: float = 1.0, steps: int = 1000) -> None:
        super().__init__(weight)
        if not (math.isfinite(steps) and steps >= 1):
            raise ConfigurationError(f"steps={steps} of {type(self).__name__} must be >= 1 optimiser steps")
        self.steps = steps

    @property
    def is_always_zero(self) -> bool:
        """Whether the schedule starts at zero, where it ends."""
        return self.weight == 0


class OffAfter(_Ending):
    """The full weight for the first `steps` optimiser steps, then zero: slope recovery as a warm-up.

    Args:
        weight: W_a before, finite and ≥ 0.
        steps: number of optimiser steps with the term, ≥ 1.

    Example:
        >>> schedule = OffAfter(steps=100)
        >>> schedule(99), schedule(100)
        (1.0, 0.0)
    """

    def __call__(self, step: int) -> float:
        """Return the weight or zero.

        Args:
            step: number of optimiser steps taken so far.

        Returns:
            W_a.
        """
        return self.weight if step < self.steps else 0.0


class LinearDecay(_Ending):
    """A weight that falls linearly to zero at step `steps` and stays there.

    Args:
        weight: W_a at step 0, finite and ≥ 0.
        steps: the optimiser step at which zero is reached, ≥ 1.

    Example:
        >>> schedule = LinearDecay(weight=2.0, steps=100)
        >>> schedule(0), schedule(50), schedule(200)
        (2.0, 1.0, 0.0)
    """

    def __call__(self, step: int) -> float:
        """Return the weight on the line.

        Args:
            step: number of optimiser steps taken so far.

        Returns:
            W_a.
        """
        return self.weight * max(0.0, 1.0 - step / self.steps)


class CosineDecay(_Ending):
    """A weight that falls to zero at step `steps` on half a cosine and stays there.

    Args:
        weight: W_a at step 0, finite and ≥ 0.
        steps: the optimiser step at which zero is reached, ≥ 1.

    Example:
        >>> schedule = CosineDecay(steps=100)
        >>> schedule(0), round(schedule(50), 12), schedule(100)
        (1.0, 0.5, 0.0)
    """

    def __call__(self, step: int) -> float:
        """Return the weight on the cosine.

        Args:
            step: number of optimiser steps taken so far.

        Returns:
            W_a.
        """
        if step >= self.steps:
            return 0.0
        return self.weight * (0.5 + 0.5 * math.cos(math.pi * step / self.steps))
