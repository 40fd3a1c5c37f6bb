"""Optimiser groups that keep weight decay off the slopes."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from laaf_lightning.activations.recovery import adaptive_sites, refuse_computed_slopes
from laaf_lightning.errors import ConfigurationError


def slope_parameter_groups(
    model: nn.Module, *, weight_decay: float | None = None, slope_lr: float | None = None
) -> list[dict[str, Any]]:
    """Split the trainable parameters of a model into weights and slopes.

    The slopes get an explicit ``weight_decay: 0.0``: decay would pull n·a towards 0, and AdamW's default of
    0.01 does so unasked. The other group carries the key only where `weight_decay` is given, so that the
    optimiser's own value holds there.

    Args:
        model: any module; parameters that require no gradient are left out.
        weight_decay: decay of everything but the slopes; None leaves it to the optimiser.
        slope_lr: learning rate of the slopes; None leaves it to the optimiser.

    Returns:
        One or two groups to hand to an optimiser; the slopes' group is last and missing for a model
        without slopes.

    Raises:
        ConfigurationError: if `weight_decay` or `slope_lr` is negative, and for a slope that is no parameter.

    Example:
        >>> from laaf_lightning.activations import AdaptiveActivation
        >>> model = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh"))
        >>> [(len(g["params"]), g.get("weight_decay")) for g in slope_parameter_groups(model)]
        [(2, None), (1, 0.0)]
    """
    check_rate("weight_decay", weight_decay, "the optimiser's")
    check_rate("slope_lr", slope_lr, "the optimiser's")
    refuse_computed_slopes(model, "slope_parameter_groups")
    slopes = {site.a for _, site in adaptive_sites(model)}
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = []
    if weights := [p for p in trainable if p not in slopes]:
        groups.append({"params": weights} | ({} if weight_decay is None else {"weight_decay": weight_decay}))
    if trained := [p for p in trainable if p in slopes]:
        groups.append({"params": trained, "weight_decay": 0.0} | ({} if slope_lr is None else {"lr": slope_lr}))
    return groups


def check_rate(name: str, value: object, otherwise: str) -> None:
    """Refuse a rate that is no finite number ≥ 0.

    Args:
        name: of the setting.
        value: None is allowed.
        otherwise: what holds for None.

    Raises:
        ConfigurationError: for any other value.

    Example:
        >>> check_rate("slope_lr", -1, "the optimiser's")
        Traceback (most recent call last):
        laaf_lightning.errors.ConfigurationError: slope_lr=-1 must be a finite number >= 0, or None for the optimiser's
    """
    if value is None:
        return
    try:
        rate = math.nan if isinstance(value, (bool, str)) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise ConfigurationError(f"{name}={value!r} must be a finite number >= 0, or None for {otherwise}")
