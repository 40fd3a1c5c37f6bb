"""The heat equation with an insulated end and its exact solution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.faces import Dirichlet, FaceCondition, Neumann, zero
from laaf_lightning.problems.pde import PDE

# Amplitude and wave number of each mode: sin(κx) is 0 at x = 0 and level at x = 1.
_MODES = ((1.0, math.pi / 2), (0.5, 3 * math.pi / 2))


@dataclass(frozen=True)
class Heat(PDE):
    r"""The heat equation :math:`u_t = \alpha u_{xx}`.

    On x ∈ [0, 1], t ∈ [0, 1]: a rod whose left end is kept at u = 0 and whose right end is insulated, u_x = 0, with
    u(x, 0) = sin(πx/2) + sin(3πx/2)/2. By the default t = 1 the first mode has fallen to 0.78 of its amplitude, the
    second to 0.11.

    Args:
        diffusivity: α > 0.

    Raises:
        ConfigurationError: if the diffusivity is not a finite number > 0.

    Example:
        >>> Heat().exact(torch.tensor([[1.0, 0.0]], dtype=torch.float64)).item()
        0.5
    """

    diffusivity: float = 0.1

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 1.0), "t": (0.0, 1.0)}

    def __post_init__(self) -> None:
        if not (math.isfinite(self.diffusivity) and self.diffusivity > 0):
            raise ConfigurationError(f"diffusivity={self.diffusivity} must be a finite number > 0")

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        """Return u_t − α·u_xx.

        Args:
            x: the columns ``"x"`` and ``"t"``, shape (N, 1).
            u: the unknown.

        Returns:
            Shape (N, 1).
        """
        return u.d("t") - self.diffusivity * u.d("x", "x")

    def conditions(self) -> Sequence[FaceCondition]:
        """Return the initial condition, the cold end and the insulated one.

        Returns:
            ``"initial"``, ``"left"`` and ``"right"``.
        """
        return (
            Dirichlet("initial", ("t", 0.0), self._sum_of_modes),
            Dirichlet("left", ("x", 0.0), zero),
            Neumann("right", ("x", 1.0), zero),
        )

    def exact(self, points: Tensor) -> Tensor:
        r"""Return the solution by separation of variables.

        .. math:: u(x, t) = \sum_\kappa c_\kappa\, e^{-\alpha \kappa^2 t} \sin(\kappa x)

        Args:
            points: columns x and t ≥ 0, shape (N, 2).

        Returns:
            u, shape (N, 1), float64.
        """
        return self._sum_of_modes(points.detach().double())

    def _sum_of_modes(self, points: Tensor) -> Tensor:
        x, t = points[:, :1], points[:, 1:]
        modes = (c * torch.exp(-self.diffusivity * k * k * t) * torch.sin(k * x) for c, k in _MODES)
        return torch.stack([*modes]).sum(dim=0)
