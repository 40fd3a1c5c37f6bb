"""The smallest loss of a constant network, J_c in Theorem 2.1, where it has no closed form."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_CANDIDATES = 129


def smallest_value(loss: Callable[[Tensor], Tensor], lower: Tensor, upper: Tensor) -> Tensor:
    """Minimise a function of one number: a scan, then L-BFGS from the best of it.

    The scan reaches beyond both ends, by their distance and by 1 at least, so that several valleys and a minimum
    outside are found; the result is a local minimum where valleys are narrower than its step.

    Args:
        loss: of a 0-dim float64 tensor, attached to the graph; values that are not finite are passed over.
        lower: where the minimum is sought, 0-dim float64.
        upper: its other end.

    Returns:
        The smallest value found, 0-dim float64.

    Example:
        >>> zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
        >>> round(smallest_value(lambda c: (c - 0.3) ** 2 + 2, zero, one).item(), 9)
        2.0
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        reach = (upper - lower).clamp(min=1.0)
        steps = torch.linspace(0, 1, _CANDIDATES, dtype=lower.dtype, device=lower.device)
        candidates = lower - reach + (upper - lower + 2 * reach) * steps
        with torch.no_grad():
            values = torch.stack([loss(candidate) for candidate in candidates]).nan_to_num(nan=torch.inf)
        polished = _polish(loss, candidates[values.argmin()].clone())
        return torch.fmin(values.min(), polished)


def _polish(loss: Callable[[Tensor], Tensor], constant: Tensor) -> Tensor:
    """Return the value at the bottom of the valley that `constant` lies in."""
    constant.requires_grad_()
    search = torch.optim.LBFGS(
        [constant], max_iter=50, tolerance_grad=1e-10, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        search.zero_grad()
        value = loss(constant)
        value.backward()
        return value.detach()

    search.step(objective)
    return objective()
