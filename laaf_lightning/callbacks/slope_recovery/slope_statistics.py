"""Means and bands of the slopes as numbers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

BAND = ("std", "lower", "upper")


def slope_statistics(slopes: Mapping[str, Tensor]) -> tuple[dict[str, float], bool]:
    """Compute mean, population standard deviation and the band mean ∓ std of n·a in every layer.

    All numbers reach the host in one transfer.

    Args:
        slopes: n·a by the layer's name, any shapes.

    Returns:
        ``slope/<name>/mean`` and, for layers with more than one slope, ``/std``, ``/lower`` and ``/upper``; and
        whether any slope is ≤ 0.

    Example:
        >>> slope_statistics({"act": torch.tensor([1.0, 3.0])})
        ({'slope/act/mean': 2.0, 'slope/act/std': 1.0, 'slope/act/lower': 1.0, 'slope/act/upper': 3.0}, False)
    """
    keys: list[str] = []
    values: list[Tensor] = []
    with torch.no_grad():
        for name, slope in slopes.items():
            mean = slope.mean()
            keys.append(f"slope/{name}/mean")
            values.append(mean)
            if slope.numel() > 1:
                std = slope.std(correction=0)
                keys += [f"slope/{name}/{part}" for part in BAND]
                values += [std, mean - std, mean + std]
        smallest = torch.stack([slope.min() for slope in slopes.values()]).min()
        *numbers, least = torch.stack([*values, smallest]).tolist()
    return dict(zip(keys, numbers, strict=True)), least <= 0
