"""The shape of a slope: what a scope asks for, and what z allows."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from torch import nn

from laaf_lightning.activations.scopes import Scope
from laaf_lightning.errors import ConfigurationError


def slope_shape(scope: Scope, shape: Sequence[int] | None, slope: nn.Parameter | None) -> tuple[int, ...]:
    """Check what is given for a slope against its scope.

    Args:
        scope: as for `AdaptiveActivation`.
        shape: as given; None for none.
        slope: that is handed over; None for none.

    Returns:
        The shape of the slope.

    Raises:
        ConfigurationError: where they do not go together.
    """
    given = _sizes(shape)
    if slope is not None:
        given = _shape_of_shared(scope, given, slope)
    if scope in {"channel", "neuron"}:
        if given is None:
            raise ConfigurationError(
                f"scope={scope!r} needs shape=…, the slope's own shape against one sample: (F,) for F features, "
                "(C, 1, 1) for channels, (C, H, W) for neurons of a convolution"
            )
        return given
    if given:
        holds = "no slope" if scope == "fixed" else "one slope of shape ()"
        raise ConfigurationError(
            f"shape={given} does not go with scope={scope!r}, which has {holds}; "
            "take scope='channel' or 'neuron', or leave shape out"
        )
    return ()


def _sizes(shape: Sequence[int] | None) -> tuple[int, ...] | None:
    """Return `shape` as a tuple, or raise unless it is a sequence of whole numbers ≥ 1."""
    if shape is None:
        return None
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        sizes = (0,)
    if any(size < 1 for size in sizes):
        raise ConfigurationError(
            f"shape={shape!r} must be a sequence of whole numbers >= 1, such as (50,) or (64, 1, 1)"
        )
    return sizes


def _shape_of_shared(scope: Scope, given: tuple[int, ...] | None, slope: nn.Parameter) -> tuple[int, ...]:
    """Return the shape of a slope that is handed over, or raise where it cannot serve as one."""
    if scope == "fixed":
        raise ConfigurationError("slope=… with scope='fixed': a fixed activation has no slope; leave it out")
    if not isinstance(slope, nn.Parameter):
        raise ConfigurationError(
            f"slope=… is a {type(slope).__name__}, which would be neither trained nor saved: give an nn.Parameter"
        )
    if given is not None and tuple(slope.shape) != given:
        raise ConfigurationError(f"slope has shape {tuple(slope.shape)}, but shape={given} was asked for")
    return tuple(slope.shape)


def check_broadcast(slope: torch.Size, z: torch.Size) -> None:
    """Raise unless a slope broadcasts against z without changing z's shape.

    Args:
        slope: its shape.
        z: the shape of the pre-activations.

    Raises:
        ConfigurationError: otherwise.
    """
    fits = len(slope) <= len(z) and all(s in {1, size} for s, size in zip(slope, z[len(z) - len(slope) :], strict=True))
    if not fits:
        raise ConfigurationError(
            f"slope of shape {tuple(slope)} does not broadcast against pre-activations of shape {tuple(z)}: "
            f"each trailing size must be equal or 1; one sample has shape {tuple(z[1:])}, give shape= accordingly"
        )
