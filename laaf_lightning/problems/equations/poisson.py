"""Poisson's equation on a disc, with an exact solution, and on an L, with one by the method of particular solutions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.faces import Dirichlet, FaceCondition, Neumann
from laaf_lightning.problems.geometry import Disc, Geometry, Polygon
from laaf_lightning.problems.pde import PDE, Ansatz

_L_CORNERS = ((0.0, 0.0), (0.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (1.0, 0.0))
# Of the reference on the L: how many functions belong to the re-entrant corner, the highest power beside a logarithm at
# the others, and the points of each side, closer towards its ends, at which the boundary values are met.
_WEDGE_FUNCTIONS, _HIGHEST_POWER, _POINTS_OF_A_SIDE = 40, 5, 300


@dataclass(frozen=True)
class PoissonDisc(PDE):
    r"""Poisson's equation :math:`-\Delta u = (k^2 - 1)\, e^x \cos ky` on the unit disc.

    On the left half of the rim, x ≤ 0, u is given; on the right half its derivative along the outward normal is.

    Args:
        wavenumber: k, finite.

    Raises:
        ConfigurationError: for a wave number that is not finite.

    Example:
        >>> PoissonDisc().exact(torch.tensor([[0.0, 0.0], [1.0, 0.0]])).round(decimals=4).tolist()
        [[1.0], [2.7183]]
    """

    wavenumber: float = 2.0
    geometry: ClassVar[Geometry] = Disc()

    def __post_init__(self) -> None:
        if not math.isfinite(self.wavenumber):
            raise ConfigurationError(f"wavenumber={self.wavenumber} must be a finite number")

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        """Return Δu + (k² − 1)·eˣ cos ky.

        Args:
            x: the columns ``"x"`` and ``"y"``, shape (N, 1).
            u: the unknown.

        Returns:
            Shape (N, 1).
        """
        source = (self.wavenumber**2 - 1) * torch.exp(x["x"]) * torch.cos(self.wavenumber * x["y"])
        return u.d("x", "x") + u.d("y", "y") + source

    def conditions(self) -> Sequence[FaceCondition]:
        """Return the values on the left half of the rim and the outward flux on the right half.

        Returns:
            ``"value"`` and ``"flux"``.
        """
        left = Dirichlet("value", lambda points: points[:, 0] <= 0, self._u)
        return [left, Neumann("flux", lambda points: points[:, 0] > 0, self._flux)]

    def exact(self, points: Tensor) -> Tensor:
        """Return u = eˣ cos ky.

        Args:
            points: columns x and y, shape (N, 2).

        Returns:
            u, shape (N, 1), float64.
        """
        return self._u(points.detach().double())

    def _u(self, points: Tensor) -> Tensor:
        return torch.exp(points[:, :1]) * torch.cos(self.wavenumber * points[:, 1:])

    def _flux(self, points: Tensor) -> Tensor:
        # On the unit circle the normal is (x, y).
        (x, y), k = points.split(1, dim=1), self.wavenumber
        flux: Tensor = torch.exp(x) * (x * torch.cos(k * y) - k * y * torch.sin(k * y))
        return flux


@dataclass(frozen=True)
class PoissonL(PDE):
    r"""Poisson's equation :math:`-\Delta u = 1` on an L, with u = 0 on its boundary.

    The L is the square [−1, 1]² without the quadrant x > 0, y > 0. At its re-entrant corner, the origin, u grows as
    r^(2/3), so that its slope is not bounded; at the other five there are terms r² ln r.

    Args:
        hard_conditions: whether u = g + d·N meets the condition by construction, with the shapes that u has at the
            origin, so that N is once continuously differentiable there; see `ansatz`. At the other corners N grows as
            ln r.

    Example:
        >>> round(PoissonL().exact(torch.tensor([[-0.5, -0.5]])).item(), 10)
        0.131052962
    """

    hard_conditions: bool = False
    geometry: ClassVar[Geometry] = Polygon(_L_CORNERS)

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        """Return Δu + 1.

        Args:
            x: the columns ``"x"`` and ``"y"``, shape (N, 1).
            u: the unknown.

        Returns:
            Shape (N, 1).
        """
        return u.d("x", "x") + u.d("y", "y") + 1

    def conditions(self) -> Sequence[Dirichlet]:
        """Return u = 0 on the boundary.

        Returns:
            ``"boundary"``; none if it is hard.
        """
        return [] if self.hard_conditions else [Dirichlet("boundary", "boundary", 0.0)]

    def ansatz(self) -> Ansatz | None:
        """Return the hard condition, if asked for.

        Returns:
            g = (1 − x²)(1 − y²)·p, p being the first two terms of `exact`, and d = (1 − x²)(1 − y²)·r^(2/3) cos(2φ/3),
            φ being the angle against the L's axis of symmetry; or None.
        """
        return Ansatz(_offset, _vanishing) if self.hard_conditions else None

    def exact(self, points: Tensor) -> Tensor:
        r"""Return the reference by the method of particular solutions.

        .. math:: u = -\tfrac14 r^2 + \tfrac{1}{3\pi} \mathrm{Re}(z^2 \ln z) + \sum_k c_k \mathrm{Re}\, w^{2k+1}
            + \dots, \quad z = r e^{i \varphi}, \quad w = z^{2/3}

        The first two terms solve the equation, and all vanish on both sides that meet at the origin; there the sum has
        r^(2/3) cos(2φ/3) and on. The dots are (w − v)ᵐ ln(w − v), m = 2 … 5, for the w = v of the other corners, with
        their mirror images. The coefficients are found by least squares on the other sides, where |u| stays below
        1e-12: by the maximum principle no error inside is larger. (L. Fox, P. Henrici & C. Moler, Approximations and
        bounds for eigenvalues of elliptic operators, SIAM J. Numer. Anal. 4, 1967; T. Betcke & L. N. Trefethen,
        Reviving the method of particular solutions, SIAM Rev. 47, 2005.)

        Args:
            points: columns x and y, in the L, shape (N, 2).

        Returns:
            u, shape (N, 1), float64, on the points' device.
        """
        inside = points.detach().cpu().double()
        return (_particular(inside) + _harmonic_functions(inside) @ _coefficients()).to(points.device)


def _vanishing(points: Tensor) -> Tensor:
    x, y = points.split(1, dim=1)
    angle, radius = torch.atan2(x - y, -x - y), torch.hypot(x, y)
    vanishing: Tensor = (1 - x**2) * (1 - y**2) * radius ** (2 / 3) * torch.cos(2 / 3 * angle)
    return vanishing


def _offset(points: Tensor) -> Tensor:
    # `_particular` without complex numbers, which not every engine takes.
    x, y = points.split(1, dim=1)
    angle, squared = torch.atan2(x - y, -x - y), x**2 + y**2
    logarithm = x * y * squared.clamp(min=1e-30).log() - squared * angle * torch.sin(2 * angle)
    offset: Tensor = (1 - x**2) * (1 - y**2) * (logarithm / (3 * math.pi) - squared / 4)
    return offset


def _polar(points: Tensor) -> Tensor:
    """Return z = r·e^{iφ}, φ against the axis of symmetry, |φ| ≤ 3π/4 in the L; shape (N, 1), complex."""
    x, y = points.split(1, dim=1)
    return torch.complex(-x - y, x - y) / math.sqrt(2)


def _particular(points: Tensor) -> Tensor:
    """Return a solution of −Δu = 1 that vanishes on both sides of the re-entrant corner, shape (N, 1)."""
    z = _polar(points)
    return _power_with_logarithm(z, 2).real / (3 * math.pi) - z.abs().square() / 4


def _harmonic_functions(points: Tensor) -> Tensor:
    """Return functions that vanish on both sides of the re-entrant corner and are symmetric about x = y.

    Args:
        points: in the L, shape (N, 2), float64.

    Returns:
        One column each, float64.
    """
    z = _polar(points)
    # A power of zero is NaN where it is complex.
    w = torch.polar(z.abs() ** (2 / 3), 2 / 3 * z.angle())
    columns = [(w / 2 ** (1 / 3)).pow(2 * k + 1).real for k in range(_WEDGE_FUNCTIONS)]
    for corner in _polar(torch.tensor(_L_CORNERS[3:], dtype=torch.float64)).squeeze(1):
        v = torch.polar(corner.abs() ** (2 / 3), 2 / 3 * corner.angle())
        # The cut goes outwards, away from the L. Images in the imaginary axis vanish there.
        signed = ((w, 1), (w.conj(), 1), (-w, -1), (-w.conj(), -1))
        for power in range(2, _HIGHEST_POWER + 1):
            mirrored = torch.stack([sign * _power_with_logarithm(1 - image / v, power) for image, sign in signed])
            columns += [mirrored.sum(dim=0).real, mirrored.sum(dim=0).imag]
    return torch.cat(columns, dim=1)


def _power_with_logarithm(z: Tensor, power: int) -> Tensor:
    """Return zᵐ ln z, 0 at 0."""
    return z**power * torch.where(z == 0, 1.0, z).log()


@lru_cache(maxsize=1)
def _coefficients() -> Tensor:
    """Return the coefficients of `_harmonic_functions` for u = 0 on all sides, shape (M, 1)."""
    steps = (torch.arange(_POINTS_OF_A_SIDE, dtype=torch.float64) + 0.5) / _POINTS_OF_A_SIDE
    along = (1 - torch.cos(math.pi * steps))[:, None] / 2
    corners = torch.tensor(_L_CORNERS, dtype=torch.float64)
    # The two sides below the axis of symmetry that do not meet at the re-entrant corner.
    sides = torch.cat([start + along * (end - start) for start, end in pairwise(corners[3:])])
    columns = _harmonic_functions(sides)
    sizes = columns.abs().amax(dim=0).clamp(min=1e-12)  # of some, zero: they are their own negative images
    solution: Tensor = torch.linalg.lstsq(columns / sizes, -_particular(sides), rcond=1e-14, driver="gelsd").solution
    return solution / sizes[:, None]
