"""The colour scales of maps: of a solution, and of its error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.figures.canvas import log_limits
from laaf_lightning.figures.drawable import Array

if TYPE_CHECKING:
    from matplotlib.colors import Normalize

_DECADES = 5


def solution_scale(values: Sequence[Array]) -> tuple[str, Normalize]:
    """Choose one scale for all values, diverging about zero where they have both signs.

    Args:
        values: arrays of any shape; what is not finite is passed over.

    Returns:
        The name of a colour map, and the scale.
    """
    from matplotlib.colors import Normalize  # noqa: PLC0415  # a slow import that only drawing needs

    shown = np.concatenate([value[np.isfinite(value)] for value in values])
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
    if low < 0 < high:
        reach = max(-low, high)
        return "RdBu_r", Normalize(-reach, reach)
    return "viridis", Normalize(low, high)


def error_scale(error: Array) -> tuple[str, Normalize]:
    """Choose a logarithmic scale of five decades at most.

    Args:
        error: absolute errors, any shape.

    Returns:
        The name of a colour map, and the scale.
    """
    from matplotlib.colors import LogNorm, Normalize  # noqa: PLC0415  # as above

    limits = log_limits([error], decades=_DECADES)
    return "magma", Normalize(0, 1) if limits is None else LogNorm(*limits, clip=True)
