"""What a slope leaves in a state dict, and which states it refuses."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
from torch import Tensor


class HasSlope(Protocol):
    """What these functions read of an `AdaptiveActivation`."""

    @property
    def a(self) -> Tensor | None:
        """The slope's parameter."""
        ...

    @property
    def n(self) -> float:
        """The scaling factor."""
        ...

    @property
    def scope(self) -> str:
        """Which units share a slope."""
        ...


def save_n(module: HasSlope, state_dict: dict[str, Any], prefix: str, _metadata: dict[str, Any]) -> None:
    """Put n beside the slope, so that a checkpoint says which function it holds."""
    # On the CPU in float32: some devices have no float64, and a checkpoint is mapped to them whole.
    state_dict[f"{prefix}n"] = torch.tensor(module.n, dtype=torch.float32, device="cpu")


def check_state(
    module: HasSlope,
    state_dict: dict[str, Any],
    prefix: str,
    _metadata: dict[str, Any],
    _strict: bool,
    _missing_keys: list[str],
    _unexpected_keys: list[str],
    error_msgs: list[str],
) -> None:
    """Refuse a state with another n, which is another function, or with several slopes where there is one."""
    slopes, ours = state_dict.get(f"{prefix}a"), module.a
    # torch 2.6 takes the first element of a vector for a 0-dim parameter, and says nothing.
    if slopes is not None and ours is not None and ours.ndim == 0 and slopes.numel() > 1:
        error_msgs.append(
            f"size mismatch for {prefix}a: the checkpoint has slopes of shape {tuple(slopes.shape)}, this activation "
            f"of scope {module.scope!r} has one"
        )
        state_dict[f"{prefix}a"] = ours.detach()
    saved = state_dict.pop(f"{prefix}n", None)
    # Averaging checkpoints, or casting them, rounds n; that leaves the function as it was.
    if saved is not None and not math.isclose(float(saved), module.n, rel_tol=_rounding(saved)):
        error_msgs.append(
            f"{prefix}n: the checkpoint has n={float(saved):.7g}, this activation has n={module.n:.7g}; "
            f"build the model with n={float(saved):.7g}"
        )


def _rounding(value: Any) -> float:
    """Return the relative error that a number kept in the dtype of `value` may have."""
    low = isinstance(value, Tensor) and value.dtype in {torch.float16, torch.bfloat16}
    return torch.finfo(value.dtype).eps if low else 1e-6
