"""The colour scales of maps: of a solution, and of its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from laaf_lightning.figures.canvas import log_limits
from laaf_lightning.figures.drawable import Array

if TYPE_CHECKING:
    from matplotlib.colors import Normalize

_DECADES = 5
_OVERSHOOT = 0.01

# The name of a colour map, and the limits that its ends stand for.
Scale: TypeAlias = "tuple[str, Normalize]"


def solution_scale(prediction: Array, exact: Array | None = None) -> Scale:
    """Choose one scale for all values: diverging and symmetric about zero for both signs, else sequential.

    The exact solution decides about the signs, since a prediction crosses zero by its error; where it is not known or
    zero everywhere, the prediction does. Values below 1 % of the largest magnitude count as overshoot, not as a sign.

    Args:
        prediction: û, any shape; what is not finite is passed over.
        exact: u, likewise, or None.

    Returns:
        Colour map and scale, which spans the finite values of both.

    Example:
        >>> u = np.linspace(0, 1, 11)
        >>> solution_scale(u - 0.2, u)[0], solution_scale(u - 0.2)[0], solution_scale(u - 0.005)[0]
        ('viridis', 'RdBu_r', 'viridis')
    """
    from matplotlib.colors import Normalize  # noqa: PLC0415  # a slow import that only drawing needs

    known = [values[np.isfinite(values)] for values in (exact, prediction) if values is not None]
    shown = np.concatenate(known)
    if shown.size == 0:
        return "viridis", Normalize(0, 1)
    if _has_both_signs(next((values for values in known if values.any()), shown)):
        reach = float(np.abs(shown).max())
        return "RdBu_r", Normalize(-reach, reach)
    return "viridis", Normalize(float(shown.min()), float(shown.max()))


def error_scale(error: Array) -> Scale:
    """Choose a logarithmic scale of five decades at most.

    Args:
        error: absolute errors, any shape.

    Returns:
        Colour map and scale.
    """
    from matplotlib.colors import LogNorm, Normalize  # noqa: PLC0415  # as above

    limits = log_limits([error], decades=_DECADES)
    return "magma", Normalize(0, 1) if limits is None else LogNorm(*limits, clip=True)


def _has_both_signs(values: Array) -> bool:
    below, above = -float(values.min()), float(values.max())
    return min(below, above) > _OVERSHOOT * max(below, above)
