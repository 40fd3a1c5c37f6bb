"""The Helmholtz equation on a square with a manufactured solution."""

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

_SIDES = {"left": ("x", -1.0), "right": ("x", 1.0), "bottom": ("y", -1.0), "top": ("y", 1.0)}


@dataclass(frozen=True)
class Helmholtz(PDE):
    r"""The Helmholtz equation :math:`u_{xx} + u_{yy} + k^2 u = q`.

    On [−1, 1]², u = 0 on the four sides, with the source q that makes u = sin(a₁πx)·sin(a₂πy) the solution (Wang,
    Teng & Perdikaris, SIAM J. Sci. Comput. 43, 2021, section 2.4). It is the only one unless k² is one of the
    square's own (m² + n²)π²/4.

    Args:
        wavenumber: k, finite.
        modes: a₁ and a₂, whole numbers ≥ 1.
        hard_conditions: whether u = (1 − x²)(1 − y²)·N meets all conditions by construction.

    Raises:
        ConfigurationError: if the wave number is not finite, or the modes are not two whole numbers ≥ 1.

    Example:
        >>> Helmholtz().exact(torch.tensor([[0.5, 0.125]], dtype=torch.float64)).item()
        1.0
    """

    wavenumber: float = 1.0
    modes: tuple[int, int] = (1, 4)
    hard_conditions: bool = False

    coordinates: ClassVar[tuple[str, ...]] = ("x", "y")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (-1.0, 1.0), "y": (-1.0, 1.0)}

    def __post_init__(self) -> None:
        if not math.isfinite(self.wavenumber):
            raise ConfigurationError(f"wavenumber={self.wavenumber} must be a finite number")
        modes = tuple(self.modes)
        if len(modes) != 2 or not all(isinstance(mode, int) and mode >= 1 for mode in modes):
            raise ConfigurationError(f"modes={self.modes} must be two whole numbers >= 1, so that u = 0 on the sides")
        object.__setattr__(self, "modes", modes)  # a list would have no hash

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        """Return u_xx + u_yy + k²·u − q.

        Args:
            x: the columns ``"x"`` and ``"y"``, shape (N, 1).
            u: the unknown.

        Returns:
            Shape (N, 1).
        """
        source = (self.wavenumber**2 - math.pi**2 * sum(a * a for a in self.modes)) * self._solution(x["x"], x["y"])
        return u.d("x", "x") + u.d("y", "y") + self.wavenumber**2 * u - source

    def conditions(self) -> Sequence[Dirichlet]:
        """Return u = 0 on the four sides.

        Returns:
            ``"left"``, ``"right"``, ``"bottom"`` and ``"top"``; none if they are hard.
        """
        return () if self.hard_conditions else tuple(Dirichlet(side, at, zero) for side, at in _SIDES.items())

    def ansatz(self) -> Ansatz | None:
        """Return the hard conditions, if asked for.

        Returns:
            g = 0 and d = (1 − x²)(1 − y²), or None.
        """
        return Ansatz(zero, _vanishing_on_sides) if self.hard_conditions else None

    def exact(self, points: Tensor) -> Tensor:
        """Return sin(a₁πx)·sin(a₂πy).

        Args:
            points: columns x and y, shape (N, 2).

        Returns:
            u, shape (N, 1), float64.
        """
        return self._solution(*points.detach().double().split(1, dim=1))

    def _solution(self, x: Tensor, y: Tensor) -> Tensor:
        across, along = self.modes
        return torch.sin(across * math.pi * x) * torch.sin(along * math.pi * y)


def _vanishing_on_sides(points: Tensor) -> Tensor:
    x, y = points[:, :1], points[:, 1:]
    return (1 - x * x) * (1 - y * y)
