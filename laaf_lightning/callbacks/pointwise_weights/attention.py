"""How the weight of a point follows the residual there."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def residual_share(magnitudes: Tensor, largest: float) -> Tensor:
    r"""Return what residual-based attention moves the weights towards.

    .. math:: q_i = |r_i| \,/\, \max_j |r_j|

    Source: Anagnostopoulos, Toscano, Stergiopulos & Karniadakis, arXiv 2307.00379 (2023).

    Args:
        magnitudes: \|r\| at the points, shape (N,).
        largest: the maximum over the points of all processes.

    Returns:
        Shape (N,), 0 … 1; 0 where the residual vanishes everywhere.

    Example:
        >>> residual_share(torch.tensor([1.0, 4.0]), 4.0).tolist()
        [0.25, 1.0]
    """
    return magnitudes / largest if largest > 0 else torch.zeros_like(magnitudes)


def exponential_share(magnitudes: Tensor, largest: float, step: int, sharpness: float) -> Tensor:
    r"""Return what the variational form with an exponential potential moves the weights towards.

    .. math:: q_i = e^{(|r_i| - \max_j |r_j|)/\varepsilon}, \qquad \varepsilon = c \max_j |r_j| \,/\, \ln(k + 2)

    It is the tilted distribution whose objective is, as ε falls with the step k, the largest residual; over its own
    maximum, as the weights need it.

    Source: Toscano, Chen, Oommen & Karniadakis, A variational framework for residual-based adaptivity in neural PDE
    solvers and operator learning, arXiv 2509.14198 (2025); the rule for ε as in their code.

    Args:
        magnitudes: \|r\| at the points, shape (N,).
        largest: the maximum over the points of all processes.
        step: k, optimiser steps taken so far.
        sharpness: c > 0: the smaller, the more the largest residuals stand out.

    Returns:
        Shape (N,), 0 … 1; 0 where the residual vanishes everywhere.

    Example:
        >>> exponential_share(torch.tensor([0.0, 4.0]), 4.0, step=0, sharpness=1.0).tolist()
        [0.5, 1.0]
    """
    if largest <= 0:
        return torch.zeros_like(magnitudes)
    return torch.exp((magnitudes / largest - 1) * (math.log(step + 2) / sharpness))
