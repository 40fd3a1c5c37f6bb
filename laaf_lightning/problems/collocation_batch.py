"""What a PINN trains on: points inside the domain, points on its conditions and the values there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor


class CollocationBatch(NamedTuple):
    """What a PINN trains on.

    Attributes:
        residual_points: interior points, (N_f, d).
        condition_points: the points of all conditions, one condition after the other, (N_u, d); after these the
            partners of those points whose conditions compare two, as periodic ones do.
        condition_values: what the conditions prescribe, (N_u, 1).
        condition_counts: how many of the N_u belong to each condition; empty if all values are of u itself.
        condition_normals: outward unit normals at the N_u points, (N_u, d), zero where a place has none; None where no
            condition asks for them.
    """

    residual_points: Tensor
    condition_points: Tensor
    condition_values: Tensor
    condition_counts: Mapping[str, int] = {}  # never changed
    condition_normals: Tensor | None = None
