"""Means and bands of the slopes, as numbers for a logger and as TensorBoard charts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from laaf_lightning.activations import AdaptiveActivation

Sites = list[tuple[str, AdaptiveActivation]]


def slope_statistics(sites: Sites) -> tuple[dict[str, float], bool]:
    """Compute mean, population standard deviation and the band mean ∓ std of n·a at every site.

    All numbers reach the host in one transfer.

    Args:
        sites: (name, site) pairs, each with a slope.

    Returns:
        ``slope/<name>/mean`` and, for sites with more than one slope, ``/std``, ``/lower`` and ``/upper``; and
        whether any slope is ≤ 0.
    """
    keys: list[str] = []
    values: list[Tensor] = []
    with torch.no_grad():
        slopes = [(name, site.slope) for name, site in sites]
        for name, slope in slopes:
            mean = slope.mean()
            keys.append(f"slope/{name}/mean")
            values.append(mean)
            if slope.numel() > 1:
                std = slope.std(correction=0)
                keys += [f"slope/{name}/{part}" for part in ("std", "lower", "upper")]
                values += [std, mean - std, mean + std]
        smallest = torch.stack([slope.min() for _, slope in slopes]).min()
        *numbers, least = torch.stack([*values, smallest]).tolist()
    return dict(zip(keys, numbers, strict=True)), least <= 0


def chart_layout(sites: Sites) -> dict[str, dict[str, list[Any]]]:
    """Describe one chart with all sites' means and one margin chart a site with a band, for TensorBoard.

    Args:
        sites: (name, site) pairs, each with a slope.

    Returns:
        A layout for ``SummaryWriter.add_custom_scalars``.
    """
    means = [f"slope/{name}/mean" for name, _ in sites]
    charts: dict[str, list[Any]] = {"n·a, mean of every layer": ["Multiline", means]}
    for name, site in sites:
        if site.a is not None and site.a.numel() > 1:
            tags = [f"slope/{name}/{part}" for part in ("mean", "lower", "upper")]
            charts[f"n·a of {name}, mean ∓ std"] = ["Margin", tags]
    return {"slopes": charts}


def tensorboard_writers(loggers: Iterable[Any]) -> list[SummaryWriter]:
    """Find the TensorBoard writers among loggers of any Lightning package.

    Args:
        loggers: the Trainer's loggers.

    Returns:
        The ``SummaryWriter`` objects.
    """
    experiments = [getattr(logger, "experiment", None) for logger in loggers]
    return [experiment for experiment in experiments if isinstance(experiment, SummaryWriter)]
