"""A learning rate schedule under which slopes keep their own rate, and what was asked for holds after a resume."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pytorch_lightning.utilities import rank_zero_info
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

# How far torch's schedulers have come; all else in their state is what they were told.
_PROGRESS = {
    *("last_epoch", "_step_count", "_last_lr", "_get_lr_called_within_step", "_is_initial", "_initial_lr"),
    *("best", "num_bad_epochs", "cooldown_counter", "T_cur", "T_i", "optimizer", "_schedulers", "lr_lambdas"),
}
_PLAIN = (bool, int, float, str, list, tuple, dict, type(None))


class Schedule:
    """A scheduler, to which all groups of an optimiser look alike.

    A scheduler that names learning rates, such as OneCycleLR, CyclicLR or a cosine with a smallest rate, would give the
    slopes the weights' rate, whatever was asked for. So it sees every group at the rate that it would have without one
    of its own, and the ratio is put back after each of its steps.

    Args:
        factory: called with the optimiser.
        optimizer: as it was built.
        slope_lr: learning rate of the slopes; None for the optimiser's.
        own_rates: learning rates of other groups that have one, by the group's index.

    Attributes:
        scheduler: what the factory has made.
    """

    def __init__(
        self,
        factory: Callable[[Optimizer], LRScheduler],
        optimizer: Optimizer,
        slope_lr: float | None = None,
        own_rates: Mapping[int, float] | None = None,
    ) -> None:
        self._optimizer = optimizer
        own = optimizer.param_groups[0].get("lr")  # the slopes' group is the last
        self._ratios = [1.0 for _ in optimizer.param_groups]
        if slope_lr is not None and len(self._ratios) > 1 and isinstance(own, (int, float)) and own > 0:
            self._ratios[-1] = slope_lr / own
        if isinstance(own, (int, float)) and own > 0:
            for index, rate in (own_rates or {}).items():
                self._ratios[index] = rate / own
        for group, ratio in zip(optimizer.param_groups, self._ratios, strict=True):
            if ratio != 1.0:
                group["lr"] = own
        self.scheduler = factory(optimizer)
        self._scale()
        self._told = {id(each): _told(each) for each in _all(self.scheduler)}

    @contextmanager
    def step(self) -> Iterator[None]:
        """Let the scheduler step.

        Yields:
            Nothing, while the groups are as it must see them.
        """
        self._hold()
        weights = next((g["lr"] for g, ratio in zip(self._groups, self._ratios, strict=True) if ratio == 1.0), 0.0)
        for group, ratio in zip(self._groups, self._ratios, strict=True):
            if ratio != 1.0:
                group["lr"] = group["lr"] / ratio if ratio else weights
        try:
            yield
        finally:
            self._scale()

    def note_scaled(self, factor: float) -> None:
        """Count learning rates as told that somebody has multiplied, so that they stay.

        Args:
            factor: by which.
        """
        for told in self._told.values():
            for name in ("base_lrs", "max_lrs"):
                if name in told:
                    told[name] = [rate * factor for rate in told[name]]

    @property
    def _groups(self) -> list[dict[str, Any]]:
        return self._optimizer.param_groups

    def _scale(self) -> None:
        for group, ratio in zip(self._groups, self._ratios, strict=True):
            if ratio != 1.0:
                group["lr"] = group["lr"] * ratio

    def _hold(self) -> None:
        """Give the schedulers again what they were told, where a checkpoint has replaced it."""
        for each in _all(self.scheduler):
            told = self._told.get(id(each), {})
            changed = {name: value for name, value in told.items() if vars(each).get(name) != value}
            if changed:
                parameters = inspect.signature(type(each)).parameters
                said = ", ".join(
                    f"{name} {value} instead of {vars(each).get(name)}"
                    for name, value in changed.items()
                    if name in parameters
                )
                vars(each).update(changed)
                if said:
                    rank_zero_info(f"Resumed with what {type(each).__name__} is asked for now: {said}.")


def _all(scheduler: Any) -> list[Any]:
    """List a scheduler and those that it is made of."""
    return [scheduler, *(part for inner in getattr(scheduler, "_schedulers", ()) for part in _all(inner))]


def _told(scheduler: Any) -> dict[str, Any]:
    """Return what a scheduler was told, as far as it keeps it under plain values."""
    state = vars(scheduler)
    names = set(state) - _PROGRESS
    if not type(scheduler).__module__.startswith("torch.optim"):
        names &= {*inspect.signature(type(scheduler)).parameters, "base_lrs"}
    return {name: _copied(state[name]) for name in names if isinstance(state[name], _PLAIN)}


def _copied(value: Any) -> Any:
    return type(value)(value) if isinstance(value, (list, dict)) else value
