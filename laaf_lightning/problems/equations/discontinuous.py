"""The discontinuous function that the paper approximates."""

from __future__ import annotations

import torch
from torch import Tensor

DOMAIN = (-3.0, 3.0)


def discontinuous_function(x: Tensor) -> Tensor:
    """Compute u(x) = 0.2 sin(6x) for x ≤ 0, else 1 + 0.1·x·cos(18x) (Jagtap et al. 2020, eq. 4).

    Args:
        x: any shape, of the domain [−3, 3].

    Returns:
        u(x), of the same shape.

    Example:
        >>> discontinuous_function(torch.tensor([0.0, 1e-9])).tolist()
        [0.0, 1.0]
    """
    return torch.where(x <= 0, 0.2 * torch.sin(6 * x), 1 + 0.1 * x * torch.cos(18 * x))
