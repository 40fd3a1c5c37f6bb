"""The viscous Burgers equation with its exact solution."""

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

_GAUSSIAN_REACH = 6.2  # e^(−6.2²) is below float64's rounding error
_MAX_TERMS = 4_000_000  # points times nodes at a time: 32 MB


@dataclass(frozen=True)
class Burgers(PDE):
    r"""The viscous Burgers equation :math:`u_t + u u_x = \nu u_{xx}`.

    On x ∈ [−1, 1], t ∈ (0, 1], with u(x, 0) = −sin πx and u(±1, t) = 0 (Jagtap et al. 2020, appendix B, where ν
    is written ε and is 0.01/π). A steep front forms at x = 0.

    Args:
        viscosity: ν > 0.
        hard_conditions: whether u = −sin πx + t·(1 − x²)·N meets all conditions by construction.

    Raises:
        ConfigurationError: if the viscosity is not a finite number > 0.

    Example:
        >>> Burgers() == Burgers(viscosity=0.01 / math.pi)
        True
        >>> Burgers().exact(torch.tensor([[0.5, 0.0]], dtype=torch.float64)).item()
        -1.0
    """

    viscosity: float = 0.01 / math.pi
    hard_conditions: bool = False

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (-1.0, 1.0), "t": (0.0, 1.0)}

    def __post_init__(self) -> None:
        if not (math.isfinite(self.viscosity) and self.viscosity > 0):
            raise ConfigurationError(f"viscosity={self.viscosity} must be a finite number > 0; the paper's is 0.01/π")

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        """Return u_t + u·u_x − ν·u_xx.

        Args:
            x: the columns ``"x"`` and ``"t"``, shape (N, 1).
            u: the unknown.

        Returns:
            Shape (N, 1).
        """
        return burgers_residual(u, self.viscosity)

    def conditions(self) -> Sequence[Dirichlet]:
        """Return the initial condition and the two boundaries.

        Returns:
            ``"initial"``, ``"left"`` and ``"right"``; none if they are hard.
        """
        if self.hard_conditions:
            return ()
        return (
            Dirichlet("initial", ("t", 0.0), _initial_value),
            Dirichlet("left", ("x", -1.0), zero),
            Dirichlet("right", ("x", 1.0), zero),
        )

    def ansatz(self) -> Ansatz | None:
        """Return the hard conditions, if asked for.

        Returns:
            g = −sin πx and d = t·(1 − x²), or None.
        """
        return Ansatz(_initial_value, _vanishing_at_conditions) if self.hard_conditions else None

    def axes(self) -> dict[str, Tensor]:
        """Return x = linspace(−1, 1, 256) and t = 0, 0.01 … 0.99.

        Returns:
            The two axes, float64.
        """
        return {
            "x": torch.linspace(-1.0, 1.0, 256, dtype=torch.float64),
            "t": torch.arange(100, dtype=torch.float64) / 100,
        }

    def exact(self, points: Tensor) -> Tensor:
        r"""Return the solution by the Hopf–Cole transform.

        .. math:: u(x, t) = -\frac{\int \sin\pi(x-\eta)\, f(x-\eta)\, e^{-\eta^2/4\nu t}\, d\eta}
            {\int f(x-\eta)\, e^{-\eta^2/4\nu t}\, d\eta}, \qquad f(y) = e^{-\cos(\pi y) / 2\pi\nu}

        (Basdevant et al., Comput. Fluids 14, 1986) by the trapezoidal rule, which is exact to rounding for such
        integrands once it reaches far enough and is fine enough (Trefethen & Weideman, SIAM Review 56, 2014). The
        exponents are shifted by their largest, so that nothing overflows. The usual Gauss–Hermite quadrature agrees
        for the paper's ν, but with 128 nodes it is off by 0.1 at ν = 5e-4, and by 3e-2 of u at ν = 1. At t = 0 u is
        the initial condition itself.

        Args:
            points: columns x and t ≥ 0, shape (N, 2).

        Returns:
            u, shape (N, 1), float64, on the points' device.
        """
        inner = points.detach().cpu().double()
        nodes = _nodes(self.viscosity, latest=max([0.0, *inner[:, 1].tolist()]))
        parts = inner.split(max(1, _MAX_TERMS // len(nodes)))
        return torch.cat([self._by_quadrature(part, nodes) for part in parts]).to(points.device)

    def _by_quadrature(self, points: Tensor, nodes: Tensor) -> Tensor:
        """Return u at some points, (N, 1), summing over η = √(4νt)·nodes."""
        x, t = points[:, :1], points[:, 1:]
        y = math.pi * (x - (4 * self.viscosity * t).sqrt() * nodes)
        exponent = -y.cos() / (2 * math.pi * self.viscosity) - nodes.square()
        mass = (exponent - exponent.amax(dim=1, keepdim=True)).exp()
        solution = -(y.sin() * mass).sum(dim=1, keepdim=True) / mass.sum(dim=1, keepdim=True)
        return torch.where(t == 0, _initial_value(points), solution)


def burgers_residual(u: Field, viscosity: float | Tensor) -> Tensor:
    """Return u_t + u·u_x − ν·u_xx.

    Args:
        u: the unknown.
        viscosity: ν, a number or 0-dim.

    Returns:
        Shape (N, 1).
    """
    return u.d("t") + u * u.d("x") - viscosity * u.d("x", "x")


def _nodes(viscosity: float, latest: float) -> Tensor:
    """Choose equispaced nodes s = η/√(4νt) that integrate to rounding error up to the time `latest`.

    The integrand's mass lies within t of η = 0, widened by the Gaussian e^(−s²), whose transform and the harmonics
    of f give the highest frequency to be resolved: f has about √(2z·ln(1/ε)) of them, z = 1/2πν.

    Args:
        viscosity: ν.
        latest: largest t, ≥ 0.

    Returns:
        1-dim, float64, symmetric about 0.
    """
    width = math.sqrt(4 * viscosity * latest)
    reach = _GAUSSIAN_REACH + (latest / width if width else 0.0)
    harmonics = 10 + math.sqrt(2 * _GAUSSIAN_REACH**2 / (2 * math.pi * viscosity))
    per_unit = (2 * _GAUSSIAN_REACH + math.pi * harmonics * width) / (2 * math.pi)
    half = math.ceil(reach * per_unit)
    return torch.arange(-half, half + 1, dtype=torch.float64) * (reach / half)


def _initial_value(points: Tensor) -> Tensor:
    return -torch.sin(math.pi * points[:, :1])


def _vanishing_at_conditions(points: Tensor) -> Tensor:
    x, t = points[:, :1], points[:, 1:]
    return t * (1 - x * x)
