"""The schemes by name."""

from __future__ import annotations

import math
from typing import Literal, get_args

from laaf_lightning.callbacks.loss_weights.gradient_norms import GradientNorms
from laaf_lightning.callbacks.loss_weights.ntk import TangentKernel
from laaf_lightning.callbacks.loss_weights.relobralo import RelativeLosses
from laaf_lightning.callbacks.loss_weights.scheme import Scheme
from laaf_lightning.errors import ConfigurationError, unknown_choice

WeightingScheme = Literal["gradient_norms", "ntk", "relobralo"]


def scheme_of(
    name: WeightingScheme, momentum: float, temperature: float, lookback: float, points: int, seed: int
) -> Scheme:
    """Make a scheme.

    Args:
        name: which.
        momentum: α.
        temperature: T > 0.
        lookback: E[ρ], 0 … 1.
        points: most points of a term, ≥ 1.
        seed: ≥ 0.

    Returns:
        The scheme.

    Raises:
        ConfigurationError: for a name that is none, and values outside these ranges.
    """
    if name not in get_args(WeightingScheme):
        raise ConfigurationError(unknown_choice("scheme of AdaptiveLossWeights", name, get_args(WeightingScheme)))
    if not (math.isfinite(temperature) and temperature > 0 and 0 <= lookback <= 1):
        raise ConfigurationError(
            f"temperature={temperature} of AdaptiveLossWeights must be finite and > 0, lookback={lookback} a "
            "probability, 0 … 1"
        )
    if points < 1 or seed < 0:
        raise ConfigurationError(f"points={points} of AdaptiveLossWeights must be >= 1, seed={seed} >= 0")
    if name == "ntk":
        return TangentKernel(momentum, points, seed)
    if name == "relobralo":
        return RelativeLosses(momentum, temperature, lookback, seed)
    return GradientNorms(momentum)
