"""Weights of a loss's terms by name: numbers and schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.problems.named_terms import DATA, RESIDUAL
from laaf_lightning.weight_schedules import WeightSchedule, weight_at

_KEPT = 16  # tensors of weights


class TermWeights(MutableMapping[str, float]):
    """The weight of each term of a loss, 1 unless it is set.

    A number that is assigned is the weight from then on; for a term with a schedule it is a factor of the schedule's
    weight. Tensors of weights, which a loss is multiplied by, are written anew only where a number has changed.

    Args:
        owner: what the loss is of, for errors.
        names: of the terms.
        given: number or schedule by name.
        is_open: whether more terms may come with the first loss, whose weights are then checked by `add`.

    Raises:
        ConfigurationError: for what is no mapping, a term that does not exist, and weights that are negative, not
            finite or no numbers.

    Example:
        >>> weights = TermWeights("PINN", ["residual", "initial"], {"initial": 10.0})
        >>> dict(weights)
        {'residual': 1.0, 'initial': 10.0}
        >>> weights.of(["initial", "residual"], torch.zeros(())).tolist()
        [10.0, 1.0]
    """

    def __init__(
        self,
        owner: str,
        names: Sequence[str],
        given: Mapping[str, float | WeightSchedule] | None = None,
        *,
        is_open: bool = False,
    ) -> None:
        self._owner, self._names, self._is_open = owner, list(names), is_open
        self._waiting: dict[str, Any] = {}
        self._values: dict[str, float] = {}
        self._schedules: dict[str, WeightSchedule] = {}
        self._step = 0
        self._version = 0
        self._tensors: dict[Any, tuple[int, Tensor]] = {}
        if given is not None and not isinstance(given, Mapping):
            raise ConfigurationError(
                f"weights={given!r} must map names of terms to weights, weights={{{self._names[-1]!r}: 10.0}}, or on "
                f"the command line --model.weights.{self._names[-1]} 10"
            )
        for name, weight in (given or {}).items():
            self[name] = weight

    @property
    def are_set(self) -> bool:
        """Whether any weight was given or assigned."""
        return bool(self._values or self._schedules or self._waiting)

    def add(self, names: Sequence[str]) -> None:
        """Take terms in that only a loss tells of.

        Args:
            names: all of them; what was given for a name is now set, or refused.
        """
        for name in names:
            if name not in self._names:
                self._names.append(name)
        waiting, self._waiting = self._waiting, {}
        for name, weight in waiting.items():
            self._set(name, weight)

    def go_to(self, step: int) -> None:
        """Take the weights of an optimiser step.

        Args:
            step: number of optimiser steps taken so far.
        """
        if step != self._step:
            self._step = step
            self._version += bool(self._schedules)

    def now(self, name: str) -> float:
        """Return what a term is multiplied by.

        Args:
            name: of the term.

        Returns:
            The number; with a schedule, its weight at this step times the factor.
        """
        schedule = self._schedules.get(name)
        return self[name] * (1.0 if schedule is None else weight_at(schedule, self._step))

    def concern(self, names: Iterable[str]) -> bool:
        """Tell whether the weight of any of some terms was given or assigned.

        Args:
            names: of the terms.

        Returns:
            Whether it was.
        """
        return any(name in self._values or name in self._schedules for name in names)

    def of(self, names: Sequence[str], like: Tensor, counts: Sequence[int] | None = None) -> Tensor:
        """Return weights as a tensor, the same one at every call.

        Args:
            names: whose, and in which order.
            like: gives dtype and device.
            counts: how often each is repeated; None for once.

        Returns:
            Shape (len(names),), or (Σ counts,).
        """
        key = (*names, *(counts or ()), like.dtype, like.device)
        version, tensor = self._tensors.get(key, (-1, None))
        if tensor is None or version != self._version:
            numbers = torch.tensor([self.now(name) for name in names], dtype=like.dtype)
            numbers = numbers if counts is None else numbers.repeat_interleave(torch.tensor(counts))
            tensor = numbers.to(like.device) if tensor is None else tensor.copy_(numbers)
            if len(self._tensors) >= _KEPT:
                self._tensors.clear()
            self._tensors[key] = self._version, tensor
        return tensor

    def __getitem__(self, name: str) -> float:
        self._refuse_unknown(name)
        return self._values.get(name, 1.0)

    def __setitem__(self, name: str, weight: float | WeightSchedule) -> None:
        if name not in self._names and self._is_open:
            self._waiting[name] = _checked(name, weight)
        else:
            self._set(name, weight)

    def __delitem__(self, name: str) -> None:
        raise ConfigurationError(f"the weight of the term {name!r} cannot be taken away: set it to 1, or to 0")

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"TermWeights({ {name: self._schedules.get(name, self._values.get(name, 1.0)) for name in self} })"

    def _set(self, name: str, weight: float | WeightSchedule) -> None:
        self._refuse_unknown(name)
        checked = _checked(name, weight)
        if isinstance(checked, WeightSchedule):
            self._schedules[name] = checked
            self._values.pop(name, None)
        else:
            self._values[name] = checked
        self._version += 1

    def _refuse_unknown(self, name: str) -> None:
        if name in self._names:
            return
        text = unknown_choice(f"term of {self._owner}'s loss", name, self._names)
        together = {RESIDUAL: "weight_residual", DATA: "weight_data"}
        if name in together:
            text += f"; all of its {'equations' if name == RESIDUAL else 'conditions'} together have {together[name]}"
        raise ConfigurationError(text)


def _checked(name: object, weight: Any) -> float | WeightSchedule:
    if isinstance(weight, WeightSchedule):
        return weight
    if isinstance(weight, type) and issubclass(weight, WeightSchedule):
        raise ConfigurationError(
            f"the weight of the term {name!r} is the class {weight.__name__}: give an instance, {weight.__name__}(…)"
        )
    if isinstance(weight, torch.Tensor) and weight.ndim == 0:
        weight = weight.item()
    is_number = isinstance(weight, Real) and not isinstance(weight, bool)
    if not is_number or not math.isfinite(weight) or float(weight) < 0:
        raise ConfigurationError(
            f"the weight of the term {name!r} is {weight!r}: it must be a finite number >= 0, or a WeightSchedule such "
            "as OffAfter(steps=1000)"
        )
    return float(weight)
