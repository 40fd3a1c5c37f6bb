"""The viscous Burgers equation with its exact solution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.pde import PDE, Dirichlet

_NODES = 128


@dataclass(frozen=True)
class Burgers(PDE):
    r"""The viscous Burgers equation :math:`u_t + u u_x = \nu u_{xx}`.

    On x ∈ [−1, 1], t ∈ (0, 1], with u(x, 0) = −sin πx and u(±1, t) = 0 (Jagtap et al. 2020, appendix B, where ν
    is written ε and is 0.01/π). A steep front forms at x = 0.

    Args:
        viscosity: ν > 0.

    Raises:
        ConfigurationError: if the viscosity is not a finite number > 0.

    Example:
        >>> Burgers() == Burgers(viscosity=0.01 / math.pi)
        True
        >>> Burgers().exact(torch.tensor([[0.5, 0.0]], dtype=torch.float64)).item()
        -1.0
    """

    viscosity: float = 0.01 / math.pi

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
        return u.d("t") + u * u.d("x") - self.viscosity * u.d("x", "x")

    def conditions(self) -> Sequence[Dirichlet]:
        """Return the initial condition and the two boundaries.

        Returns:
            ``"initial"``, ``"left"`` and ``"right"``.
        """
        return (
            Dirichlet("initial", ("t", 0.0), _initial_value),
            Dirichlet("left", ("x", -1.0), _zero),
            Dirichlet("right", ("x", 1.0), _zero),
        )

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

        by Gauss–Hermite quadrature with 128 nodes, the exponents shifted by their largest so that nothing
        overflows (Basdevant et al., Comput. Fluids 14, 1986). At t = 0 it is the initial condition itself.

        Args:
            points: columns x and t, shape (N, 2).

        Returns:
            u, shape (N, 1), float64, on the points' device.
        """
        from scipy.special import roots_hermite  # noqa: PLC0415  # only exact solutions pay for the import

        x, t = points.detach().cpu().double().numpy().T
        nodes, weights = roots_hermite(_NODES)
        y = math.pi * (x[:, None] - np.sqrt(4 * self.viscosity * t)[:, None] * nodes)
        exponent = -np.cos(y) / (2 * math.pi * self.viscosity) + np.log(weights)
        mass = np.exp(exponent - exponent.max(axis=1, keepdims=True))
        solution = -(np.sin(y) * mass).sum(axis=1) / mass.sum(axis=1)
        u = np.where(t == 0, -np.sin(math.pi * x), solution)
        return torch.from_numpy(u).unsqueeze(1).to(points.device)


def _initial_value(points: Tensor) -> Tensor:
    return -torch.sin(math.pi * points[:, :1])


def _zero(points: Tensor) -> Tensor:
    return torch.zeros_like(points[:, :1])
