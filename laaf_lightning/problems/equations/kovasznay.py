"""Kovasznay's exact solution of the steady Navier–Stokes equations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.faces import Dirichlet
from laaf_lightning.problems.pde import PDE, Ansatz

_SIDES = {"left": ("x", -0.5), "right": ("x", 1.0), "bottom": ("y", -0.5), "top": ("y", 1.5)}


@dataclass(frozen=True)
class Kovasznay(PDE):
    r"""Steady two-dimensional flow of an incompressible fluid behind a grid.

    .. math:: u u_x + v u_y + p_x = (u_{xx} + u_{yy}) / \mathrm{Re}, \quad
        u v_x + v v_y + p_y = (v_{xx} + v_{yy}) / \mathrm{Re}, \quad u_x + v_y = 0

    On x ∈ [−1/2, 1], y ∈ [−1/2, 3/2], with the velocity (u, v) given on the four sides, and the pressure p at the
    outflow x = 1 (L. I. G. Kovasznay, Laminar flow behind a two-dimensional grid, Proc. Camb. Phil. Soc. 44, 1948).

    Args:
        reynolds: Re > 0.
        hard_conditions: whether all conditions hold by construction; see `ansatz`.

    Raises:
        ConfigurationError: if the Reynolds number is not a finite number > 0.

    Example:
        >>> Kovasznay().exact(torch.tensor([[0.0, 0.25]], dtype=torch.float64)).round(decimals=4).tolist()
        [[1.0, -0.1534, 0.0]]
    """

    reynolds: float = 40.0
    hard_conditions: bool = False
    coordinates: ClassVar[tuple[str, ...]] = ("x", "y")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (-0.5, 1.0), "y": (-0.5, 1.5)}
    unknowns: ClassVar[tuple[str, ...]] = ("u", "v", "p")

    def __post_init__(self) -> None:
        if not (math.isfinite(self.reynolds) and self.reynolds > 0):
            raise ConfigurationError(f"reynolds={self.reynolds} must be a finite number > 0")

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        """Return the misfit of both momentum equations and of continuity.

        Args:
            x: the columns ``"x"`` and ``"y"``, shape (N, 1).
            u: the unknowns.

        Returns:
            Shape (N, 3).
        """
        parts = [
            u["u"] * w.d("x") + u["v"] * w.d("y") + u["p"].d(along) - (w.d("x", "x") + w.d("y", "y")) / self.reynolds
            for along, w in (("x", u["u"]), ("y", u["v"]))
        ]
        return torch.cat([*parts, u["u"].d("x") + u["v"].d("y")], dim=1)

    def conditions(self) -> Sequence[Dirichlet]:
        """Return the velocity on the four sides and the pressure at the outflow.

        Returns:
            ``"u_left"``, ``"u_right"``, ``"u_bottom"``, ``"u_top"``, the same of v, and ``"p_right"``; none if they
            are hard.
        """
        given = [] if self.hard_conditions else [(w, side) for w in ("u", "v") for side in _SIDES] + [("p", "right")]
        return [Dirichlet(f"{w}_{side}", _SIDES[side], getattr(self, f"_{w}"), unknown=w) for w, side in given]

    def ansatz(self) -> Ansatz | None:
        """Return the hard conditions, if asked for.

        Returns:
            For u and v the values on the sides, blended into the inside as in Coons' patch, and d which is zero on
            the sides; for p its value at the outflow and 1 − x. Or None.
        """
        return Ansatz(self._blended, _vanishing) if self.hard_conditions else None

    def exact(self, points: Tensor) -> Tensor:
        r"""Return Kovasznay's solution, with p = 0 at x = 0.

        .. math:: u = 1 - e^{\lambda x} \cos 2\pi y, \quad v = \tfrac{\lambda}{2\pi} e^{\lambda x} \sin 2\pi y, \quad
            p = \tfrac12 (1 - e^{2 \lambda x}), \quad
            \lambda = \tfrac12 \mathrm{Re} - \sqrt{\tfrac14 \mathrm{Re}^2 + 4 \pi^2}

        Args:
            points: columns x and y, shape (N, 2).

        Returns:
            u, v and p, shape (N, 3), float64.
        """
        points = points.detach().double()
        return torch.cat([self._u(points), self._v(points), self._p(points)], dim=1)

    def _u(self, points: Tensor) -> Tensor:
        return 1 - torch.exp(self._decay() * points[:, :1]) * torch.cos(2 * math.pi * points[:, 1:])

    def _v(self, points: Tensor) -> Tensor:
        decay = self._decay()
        return decay / (2 * math.pi) * torch.exp(decay * points[:, :1]) * torch.sin(2 * math.pi * points[:, 1:])

    def _p(self, points: Tensor) -> Tensor:
        return (1 - torch.exp(2 * self._decay() * points[:, :1])) / 2

    def _decay(self) -> float:
        # λ, without the difference of two large numbers
        return -4 * math.pi**2 / (self.reynolds / 2 + math.sqrt(self.reynolds**2 / 4 + 4 * math.pi**2))

    def _blended(self, points: Tensor) -> Tensor:
        velocity = torch.cat([_patch(self._u, points), _patch(self._v, points)], dim=1)
        x, y = points.split(1, dim=1)
        return torch.cat([velocity, self._p(torch.cat([torch.ones_like(x), y], dim=1))], dim=1)


def _vanishing(points: Tensor) -> Tensor:
    x, y = points.split(1, dim=1)
    inside = (x + 0.5) * (1 - x) * (y + 0.5) * (1.5 - y)
    return torch.cat([inside, inside, 1 - x], dim=1)


def _patch(values: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Blend values on the four sides into the inside: a Coons patch, which needs no value inside.

    Args:
        values: maps points on a side (N, 2) to (N, 1).
        points: shape (N, 2).

    Returns:
        Shape (N, 1).
    """
    x, y = points.split(1, dim=1)
    across = {-0.5: (1 - x) / 1.5, 1.0: (x + 0.5) / 1.5}
    along = {-0.5: (1.5 - y) / 2, 1.5: (y + 0.5) / 2}
    sides = [part * values(torch.cat([torch.full_like(x, at), y], dim=1)) for at, part in across.items()]
    sides += [part * values(torch.cat([x, torch.full_like(y, at)], dim=1)) for at, part in along.items()]
    corners = [
        part * other * values(torch.cat([torch.full_like(x, at), torch.full_like(y, beside)], dim=1))
        for at, part in across.items()
        for beside, other in along.items()
    ]
    return torch.stack(sides).sum(dim=0) - torch.stack(corners).sum(dim=0)
