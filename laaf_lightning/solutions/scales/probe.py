"""Smooth functions of the size that scales imply, with all their derivatives: what terms of a loss are measured by."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from laaf_lightning.derivatives import ConstrainedField, Field, InputScale, KnownFactors, Order, OutputScale
from laaf_lightning.problems import PDE

_FREQUENCY = math.pi / 2  # half a wave from −1 to 1


class ProbeField(Field):
    r"""The function :math:`u_k = o_k + s_k \sin(\tfrac{\pi}{2} \sum_i \pm\xi_i + \varphi_k)` of ξ = (x − c)/h.

    Args:
        problem: names coordinates and unknowns.
        points: shape (N, d).
        inputs: has c and h; None for ξ = x.
        outputs: has o and s; None for 0 and 1.
        seed: of signs and phases.

    Example:
        >>> from laaf_lightning.problems import Burgers
        >>> u = ProbeField(Burgers(), torch.rand(100, 2), InputScale([500.0, 0.0], [500.0, 1.0]), None, 0)
        >>> round(float(u.d("t").norm() / u.d("x").norm()))
        500
    """

    def __init__(
        self, problem: PDE, points: Tensor, inputs: InputScale | None, outputs: OutputScale | None, seed: int
    ) -> None:
        columns, unknowns = len(problem.coordinates), len(problem.unknowns)
        generator = torch.Generator().manual_seed(seed)
        signs = torch.randint(0, 2, (columns, unknowns), generator=generator).double().mul(2).sub(1)
        phases = torch.rand(unknowns, generator=generator, dtype=torch.float64) * 2 * math.pi
        ones = torch.ones(columns, dtype=torch.float64)
        self._rates = (
            _FREQUENCY * signs / (ones if inputs is None else inputs.half_range.detach().double().cpu())[:, None]
        )
        center = 0 * ones if inputs is None else inputs.center.detach().double().cpu()
        self._angles = (points.double() - center) @ self._rates + phases
        ones = torch.ones(unknowns, dtype=torch.float64)
        self._scale = ones if outputs is None else outputs.scale.detach().double().cpu()
        offset = 0 * ones if outputs is None else outputs.offset.detach().double().cpu()
        self._dtype = points.dtype
        value = offset + self._scale * self._angles.sin()
        super().__init__(value.to(points.dtype), problem.coordinates, problem.unknowns)

    def _derivative(self, order: Order) -> Tensor:
        values = self._scale * (self._angles + len(order) * math.pi / 2).sin()
        for column in order:
            values = values * self._rates[column]
        return values.to(self._dtype)


def probe(
    problem: PDE,
    points: Tensor,
    orders: frozenset[Order],
    inputs: InputScale | None,
    outputs: OutputScale | None,
    seed: int,
) -> Field:
    """Make u of a problem of which the network gives such a function, with hard conditions built in.

    Args:
        problem: the equation.
        points: shape (N, d).
        orders: the derivatives of u that will be asked for.
        inputs: as for `ProbeField`.
        outputs: as for `ProbeField`.
        seed: as for `ProbeField`.

    Returns:
        The field.
    """
    free, ansatz = ProbeField(problem, points, inputs, outputs, seed), problem.ansatz()
    if ansatz is None:
        return free
    known = KnownFactors.at(points, problem.coordinates, orders, offset=ansatz.offset_at, factor=ansatz.factor_at)
    return ConstrainedField(free, known)
