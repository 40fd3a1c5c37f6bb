"""The heat equation on a square plate and its exact solution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.faces import Dirichlet, zero
from laaf_lightning.problems.pde import PDE, Ansatz

_SIDES = {"left": ("x", 0.0), "right": ("x", 1.0), "bottom": ("y", 0.0), "top": ("y", 1.0)}
# Amplitude of each mode, and its half waves in x and in y.
_MODES = ((1.0, 1, 1), (0.5, 2, 1))
_GRID = 41  # values of each coordinate at which errors are measured: 68 921 points


@dataclass(frozen=True)
class HeatPlate(PDE):
    r"""The heat equation in two dimensions and time, :math:`u_t = \alpha (u_{xx} + u_{yy})`.

    On x ∈ [0, 1], y ∈ [0, 1], t ∈ [0, 1]: a plate whose edge is kept at u = 0, with
    u(x, y, 0) = sin πx sin πy + ½ sin 2πx sin πy. By the default t = 1 the first mode has fallen to 0.37 of its
    amplitude, the second to 0.08.

    Args:
        diffusivity: α > 0.
        hard_conditions: whether u = u(x, y, 0) + t·4x(1 − x)·4y(1 − y)·N meets all conditions by construction.

    Raises:
        ConfigurationError: if the diffusivity is not a finite number > 0.

    Example:
        >>> HeatPlate().exact(torch.tensor([[0.5, 0.5, 0.0]], dtype=torch.float64)).item()
        1.0
    """

    diffusivity: float = 0.05
    hard_conditions: bool = False
    coordinates: ClassVar[tuple[str, ...]] = ("x", "y", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 1.0), "y": (0.0, 1.0), "t": (0.0, 1.0)}

    def __post_init__(self) -> None:
        if not (math.isfinite(self.diffusivity) and self.diffusivity > 0):
            raise ConfigurationError(f"diffusivity={self.diffusivity} must be a finite number > 0")

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        """Return u_t − α·(u_xx + u_yy).

        Args:
            x: the columns ``"x"``, ``"y"`` and ``"t"``, shape (N, 1).
            u: the unknown.

        Returns:
            Shape (N, 1).
        """
        return u.d("t") - self.diffusivity * (u.d("x", "x") + u.d("y", "y"))

    def conditions(self) -> Sequence[Dirichlet]:
        """Return the initial condition and u = 0 on the four sides.

        Returns:
            ``"initial"``, ``"left"``, ``"right"``, ``"bottom"`` and ``"top"``; none if they are hard.
        """
        sides = [Dirichlet(name, at, zero) for name, at in _SIDES.items()]
        return [] if self.hard_conditions else [Dirichlet("initial", ("t", 0.0), self._at_start), *sides]

    def ansatz(self) -> Ansatz | None:
        """Return the hard conditions, if asked for.

        Returns:
            g = u(x, y, 0) and d = t·4x(1 − x)·4y(1 − y), or None.
        """
        return Ansatz(self._at_start, _vanishing) if self.hard_conditions else None

    def axes(self) -> dict[str, Tensor]:
        """Return 41 values of each coordinate.

        Returns:
            The three axes, float64.
        """
        return {name: torch.linspace(0.0, 1.0, _GRID, dtype=torch.float64) for name in self.coordinates}

    def exact(self, points: Tensor) -> Tensor:
        r"""Return the solution by separation of variables.

        .. math:: u(x, y, t) = \sum_{m, n} c_{mn}\, e^{-\alpha \pi^2 (m^2 + n^2) t} \sin m \pi x \, \sin n \pi y

        Args:
            points: columns x, y and t, shape (N, 3).

        Returns:
            u, shape (N, 1), float64.
        """
        return self._sum_of_modes(points.detach().double())

    def _sum_of_modes(self, points: Tensor) -> Tensor:
        x, y, t = (math.pi * points).split(1, dim=1)
        return torch.stack(
            [
                c * torch.exp(-self.diffusivity * math.pi * (m * m + n * n) * t) * torch.sin(m * x) * torch.sin(n * y)
                for c, m, n in _MODES
            ]
        ).sum(dim=0)

    def _at_start(self, points: Tensor) -> Tensor:
        return self._sum_of_modes(torch.cat([points[:, :2], torch.zeros_like(points[:, 2:])], dim=1))


def _vanishing(points: Tensor) -> Tensor:
    x, y, t = points.split(1, dim=1)
    vanishing: Tensor = t * 4 * x * (1 - x) * 4 * y * (1 - y)
    return vanishing
