"""Which coordinates a network sees mapped to [−1, 1]."""

from __future__ import annotations

from typing import Literal, TypeAlias

from laaf_lightning.derivatives import InputScale
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE

ScaleInputs: TypeAlias = Literal["auto"] | bool
FARTHEST = 2.0  # of a coordinate that "auto" leaves as it is, from 0
SHORTEST = 0.2  # length of such a coordinate's interval


def input_scale(problem: PDE, setting: ScaleInputs) -> InputScale | None:
    """Map coordinates to [−1, 1] by the box of the problem.

    Args:
        problem: has the box.
        setting: ``"auto"`` for the coordinates whose interval leaves [−2, 2] or is shorter than 0.2; True for all;
            False for none.

    Returns:
        The map; None where no coordinate is mapped.

    Raises:
        ConfigurationError: for another setting.

    Example:
        >>> from laaf_lightning.problems import Burgers
        >>> print(input_scale(Burgers(), "auto"), input_scale(Burgers(), True).center.tolist())
        None [0.0, 0.5]
    """
    if not (isinstance(setting, bool) or setting == "auto"):
        raise ConfigurationError(f"scale_inputs={setting!r} must be 'auto', True or False")
    if setting is False:
        return None
    bounds = [tuple(map(float, problem.domain[name])) for name in problem.coordinates]
    mapped = [setting is True or not _is_near_one(low, high) for low, high in bounds]
    if not any(mapped):
        return None
    return InputScale.of_box(
        [(low, high) if own else (-1.0, 1.0) for (low, high), own in zip(bounds, mapped, strict=True)]
    )


def _is_near_one(low: float, high: float) -> bool:
    # A length of 0.2 is not shorter than that for its rounding.
    return max(-low, high) <= FARTHEST and high - low >= SHORTEST * (1 - 1e-9)
