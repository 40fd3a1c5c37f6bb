"""Weights of a loss's terms by how much each has fallen, with random looks back to the beginning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from laaf_lightning.callbacks.loss_weights.scheme import Measurable, Scheme

_LARGEST_RATIO = 1e300


class RelativeLosses(Scheme):
    r"""ReLoBRaLo: terms that have fallen less get more weight.

    .. math:: \lambda_i \leftarrow \alpha\,(\rho\,\lambda_i + (1 - \rho)\,\hat\lambda_i(0)) +
        (1 - \alpha)\,\hat\lambda_i(t - 1), \qquad
        \hat\lambda_i(s) = m \operatorname{softmax}_i \frac{L_i(t)}{T\,L_i(s)}

    for m terms, with ρ = 1 or, with probability 1 − E[ρ], 0, drawn anew at each update from the seed and the step. t
    counts updates; the first only notes the losses.

    Source: Bischof & Kraus, Multi-objective loss balancing for physics-informed deep learning, Comput. Methods Appl.
    Mech. Eng. 439 (2025) 117914 (arXiv 2110.09813).

    Args:
        momentum: α.
        temperature: T > 0.
        lookback: E[ρ].
        seed: of ρ.
    """

    name: ClassVar[str] = "relobralo"
    measured: ClassVar[str] = "value"

    def __init__(self, momentum: float, temperature: float, lookback: float, seed: int) -> None:
        self._momentum, self._temperature, self._lookback, self._seed = momentum, temperature, lookback, seed
        self._first: dict[str, float] = {}
        self._previous: dict[str, float] = {}

    def measure(self, terms: Measurable) -> dict[str, Tensor]:
        """Compute the terms.

        Args:
            terms: of this rank's batch.

        Returns:
            By name, 0-dim float64.
        """
        values = terms.terms()
        return {name: values[name].detach().double() for name in terms.names}

    def weights(self, measures: Mapping[str, Tensor], weights: Mapping[str, float], step: int) -> dict[str, float]:
        """Compare each term with what it was at the update before, and at the first.

        Args:
            measures: the terms, averages over ranks.
            weights: those now.
            step: seeds ρ.

        Returns:
            By name.
        """
        now = {name: value.item() for name, value in measures.items()}
        first, previous = {**now, **self._first}, {**now, **self._previous}
        is_first, self._first, self._previous = not self._first, first, now
        if is_first:
            return dict(weights)
        rho = float(looks_no_further(self._lookback, self._seed, step))
        return relative_weights(now, previous, first, weights, rho, self._momentum, self._temperature)

    def state(self) -> dict[str, Any]:
        """Return the terms at the first update and at the last.

        Returns:
            Plain numbers.
        """
        return {"first": dict(self._first), "previous": dict(self._previous)}

    def take(self, state: Mapping[str, Any]) -> None:
        """Go on from there.

        Args:
            state: what `state` returned.
        """
        self._first, self._previous = dict(state.get("first", {})), dict(state.get("previous", {}))


def looks_no_further(probability: float, seed: int, step: int) -> bool:
    """Draw ρ, from nothing but its arguments.

    Args:
        probability: of ρ = 1.
        seed: the user's.
        step: optimiser steps taken so far.

    Returns:
        Whether ρ = 1.
    """
    return bool(np.random.default_rng([seed, step]).random() < probability)


def relative_weights(
    now: Mapping[str, float],
    previous: Mapping[str, float],
    first: Mapping[str, float],
    weights: Mapping[str, float],
    rho: float,
    momentum: float,
    temperature: float,
) -> dict[str, float]:
    """Apply the formula of `RelativeLosses` once.

    Args:
        now: L_i(t).
        previous: L_i(t − 1).
        first: L_i(0).
        weights: λ_i now.
        rho: ρ.
        momentum: α.
        temperature: T.

    Returns:
        λ_i from now on.

    Example:
        >>> losses = {"a": 1.0, "b": 3.0}
        >>> relative_weights(losses, losses, losses, {"a": 1.0, "b": 3.0}, rho=1.0, momentum=0.5, temperature=1.0)
        {'a': 1.0, 'b': 2.0}
    """
    since_previous, since_first = (_shares(now, then, temperature) for then in (previous, first))
    return {
        name: momentum * (rho * weight + (1 - rho) * since_first[name]) + (1 - momentum) * since_previous[name]
        for name, weight in weights.items()
    }


def _shares(now: Mapping[str, float], then: Mapping[str, float], temperature: float) -> dict[str, float]:
    ratios = [_ratio(now[name], then[name]) / temperature for name in now]
    shares = torch.tensor([min(ratio, _LARGEST_RATIO) for ratio in ratios], dtype=torch.float64).softmax(dim=0)
    return {name: len(now) * share for name, share in zip(now, shares.tolist(), strict=True)}


def _ratio(now: float, then: float) -> float:
    if then == 0:
        return 1.0 if now == 0 else _LARGEST_RATIO
    return min(now / then, _LARGEST_RATIO)
