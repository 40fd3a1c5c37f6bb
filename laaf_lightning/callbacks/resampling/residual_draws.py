"""Which of many candidate points a PINN trains on next, by the residual there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class DrawSeeds(NamedTuple):
    """Independent seeds of one redraw.

    Attributes:
        points: of the candidates.
        choice: of the choice among them.
    """

    points: int
    choice: int


def draw_seeds(seed: int, step: int) -> DrawSeeds:
    """Derive the seeds of an optimiser step's redraw, which depend on nothing else.

    Args:
        seed: the user's, ≥ 0.
        step: optimiser steps taken so far.

    Returns:
        Two seeds, unrelated to each other and to those of other steps.

    Example:
        >>> draw_seeds(0, 100) == draw_seeds(0, 100) != draw_seeds(0, 200)
        True
    """
    points, choice = np.random.SeedSequence([seed, step]).generate_state(2).tolist()
    return DrawSeeds(points, choice)


def rad_weights(magnitudes: Tensor, power: float, offset: float) -> Tensor:
    r"""Return what the probabilities of RAD are proportional to.

    .. math:: p_i \propto |r_i|^k / \operatorname{mean}_j |r_j|^k + c

    Source: Wu, Zhu, Tan, Kartha & Lu, Comput. Methods Appl. Mech. Eng. 403 (2023) 115671 (arXiv 2207.10289).

    Args:
        magnitudes: \|r\| at the candidates, shape (M,), finite and ≥ 0.
        power: k > 0.
        offset: c ≥ 0.

    Returns:
        Shape (M,); c everywhere, or 1 for c = 0, where the residual vanishes at all candidates.

    Example:
        >>> rad_weights(torch.tensor([0.0, 1.0, 2.0]), power=1, offset=1).tolist()
        [1.0, 2.0, 3.0]
    """
    largest = magnitudes.max()
    if largest == 0:
        return torch.full_like(magnitudes, offset or 1.0)
    powers = (magnitudes / largest) ** power  # the scale cancels, and no power overflows
    return powers / powers.mean() + offset


def choose_by_weight(weights: Tensor, count: int, seed: int) -> Tensor:
    """Draw without replacement, each draw with probabilities proportional to the weights of those that are left.

    The `count` smallest of E_i / w_i with E_i exponential are such a draw (Efraimidis & Spirakis, Inf. Process. Lett.
    97, 2006); unlike ``torch.multinomial`` it has no limit on the number of candidates.

    Args:
        weights: shape (M,), ≥ 0.
        count: how many, ≤ M.
        seed: of the draw.

    Returns:
        Indices, shape (count,), all different; those of weight 0 come last.
    """
    generator = torch.Generator().manual_seed(seed)
    arrivals = torch.empty_like(weights).exponential_(generator=generator) / weights
    return arrivals.topk(count, largest=False).indices


def largest_residuals(magnitudes: Tensor, count: int) -> Tensor:
    """Choose the points with the largest residual, as RAR does.

    Source: Lu, Meng, Mao & Karniadakis, SIAM Review 63 (2021); RAR-G in Wu et al. (2023).

    Args:
        magnitudes: |r| at the candidates, shape (M,).
        count: how many, ≤ M.

    Returns:
        Indices, shape (count,), the largest first.

    Example:
        >>> largest_residuals(torch.tensor([1.0, 3.0, 2.0]), 2).tolist()
        [1, 2]
    """
    return magnitudes.topk(count).indices
