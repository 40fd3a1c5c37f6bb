"""The wave equation with a displacement and a velocity at the start, and its exact solution."""

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
from laaf_lightning.problems.pde import PDE, Ansatz


@dataclass(frozen=True)
class Wave(PDE):
    r"""The wave equation :math:`u_{tt} = c^2 u_{xx}`.

    On x ∈ [0, 1], t ∈ [0, 1]: a string that is held at both ends, u = 0. It starts with the displacement
    u(x, 0) = sin πx and the velocity u_t(x, 0) = πc sin 2πx; with c = 1 the fundamental goes through half a period.

    Args:
        speed: c > 0.
        hard_conditions: whether u = sin πx + πct sin 2πx + t²x(1 − x)·N meets all conditions by construction.

    Raises:
        ConfigurationError: if the speed is not a finite number > 0.

    Example:
        >>> Wave().exact(torch.tensor([[0.25, 0.25]], dtype=torch.float64)).item()
        1.0
    """

    speed: float = 1.0
    hard_conditions: bool = False
    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 1.0), "t": (0.0, 1.0)}

    def __post_init__(self) -> None:
        if not (math.isfinite(self.speed) and self.speed > 0):
            raise ConfigurationError(f"speed={self.speed} must be a finite number > 0")

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        """Return u_tt − c²·u_xx.

        Args:
            x: the columns ``"x"`` and ``"t"``, shape (N, 1).
            u: the unknown.

        Returns:
            Shape (N, 1).
        """
        return u.d("t", "t") - self.speed**2 * u.d("x", "x")

    def conditions(self) -> Sequence[FaceCondition]:
        """Return displacement and velocity at the start, and the two ends.

        Returns:
            ``"displacement"``, ``"velocity"``, ``"left"`` and ``"right"``; none if they are hard.
        """
        ends = [Dirichlet("left", ("x", 0.0), zero), Dirichlet("right", ("x", 1.0), zero)]
        start = Dirichlet("displacement", ("t", 0.0), _displacement), Neumann("velocity", ("t", 0.0), self._velocity)
        return [] if self.hard_conditions else [*start, *ends]

    def ansatz(self) -> Ansatz | None:
        """Return the hard conditions, if asked for.

        Returns:
            g = sin πx + πct sin 2πx and d = t²x(1 − x), or None.
        """
        return Ansatz(self._first_motion, _vanishing) if self.hard_conditions else None

    def exact(self, points: Tensor) -> Tensor:
        r"""Return the sum of two standing waves.

        .. math:: u(x, t) = \sin \pi x \, \cos \pi c t + \tfrac12 \sin 2 \pi x \, \sin 2 \pi c t

        Args:
            points: columns x and t, shape (N, 2).

        Returns:
            u, shape (N, 1), float64.
        """
        x, phase = points.detach().double().split(1, dim=1)
        phase = math.pi * self.speed * phase
        at_rest, through_zero = torch.sin(math.pi * x), torch.sin(2 * math.pi * x)
        return at_rest * torch.cos(phase) + through_zero * torch.sin(2 * phase) / 2

    def _velocity(self, points: Tensor) -> Tensor:
        return math.pi * self.speed * torch.sin(2 * math.pi * points[:, :1])

    def _first_motion(self, points: Tensor) -> Tensor:
        return _displacement(points) + points[:, 1:] * self._velocity(points)


def _displacement(points: Tensor) -> Tensor:
    return torch.sin(math.pi * points[:, :1])


def _vanishing(points: Tensor) -> Tensor:
    x, t = points.split(1, dim=1)
    vanishing: Tensor = t * t * x * (1 - x)
    return vanishing
