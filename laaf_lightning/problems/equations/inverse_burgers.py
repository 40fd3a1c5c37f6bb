"""The Burgers equation whose viscosity is learnt from noisy measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.point_data import PointData
from laaf_lightning.problems.equations.burgers import Burgers, burgers_residual
from laaf_lightning.problems.geometry import Box
from laaf_lightning.problems.pde import PDE


@dataclass(frozen=True)
class InverseBurgers(PDE):
    r"""The viscous Burgers equation :math:`u_t + u u_x = \nu u_{xx}` with unknown ν.

    ν is learnt from measurements of u at random points of [−1, 1] × [0, 1]; initial and boundary conditions are not
    given (Raissi, Perdikaris & Karniadakis, J. Comput. Phys. 378, 2019, section 4.1). What is measured is the exact
    solution of `Burgers` with Gaussian noise. The true ν and the noise make the data and measure errors; the
    equation that is solved does not know them.

    Args:
        viscosity: the true ν > 0.
        first_guess: the ν > 0 that learning starts from.
        noise: standard deviation of the noise relative to that of the measured u, ≥ 0.
        num_measurements: how many measurements, ≥ 2.
        seed: of the measured points and the noise, ≥ 0.

    Raises:
        ConfigurationError: for a value outside these ranges.

    Example:
        >>> problem = InverseBurgers(num_measurements=50)
        >>> problem.condition("measurements").place(torch.empty(0, 2), problem.coordinates).shape
        torch.Size([50, 2])
        >>> problem.coefficients()
        {'viscosity': 0.05}
    """

    viscosity: float = 0.01 / math.pi
    first_guess: float = 0.05
    noise: float = 0.01
    num_measurements: int = 2000
    seed: int = 0

    coordinates: ClassVar[tuple[str, ...]] = Burgers.coordinates
    domain: ClassVar[Mapping[str, tuple[float, float]]] = Burgers.domain

    def __post_init__(self) -> None:
        Burgers(self.viscosity)  # refuses what it cannot solve
        if not (math.isfinite(self.first_guess) and self.first_guess > 0):
            raise ConfigurationError(f"first_guess={self.first_guess} must be a finite number > 0, as the viscosity is")
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise ConfigurationError(f"noise={self.noise} must be a finite number >= 0; 0.01 is one per cent")
        for name, value, least in (("num_measurements", self.num_measurements, 2), ("seed", self.seed, 0)):
            if value < least:
                raise ConfigurationError(f"{name}={value} must be >= {least}")

    def residual(self, x: Mapping[str, Tensor], u: Field, viscosity: Tensor) -> Tensor:
        """Return u_t + u·u_x − ν·u_xx.

        Args:
            x: the columns ``"x"`` and ``"t"``, shape (N, 1).
            u: the unknown.
            viscosity: ν as learnt so far, 0-dim.

        Returns:
            Shape (N, 1).
        """
        return burgers_residual(u, viscosity)

    def conditions(self) -> Sequence[PointData]:
        """Return the measurements.

        Returns:
            ``"measurements"``.
        """
        points, values = _measurements(self.viscosity, self.noise, self.num_measurements, self.seed)
        return (PointData("measurements", points.clone(), values.clone()),)  # the caller's own, not the cache's

    def coefficients(self) -> Mapping[str, float]:
        """Return the first guess of ν.

        Returns:
            ``"viscosity"``.
        """
        return {"viscosity": self.first_guess}

    def true_coefficients(self) -> Mapping[str, float]:
        """Return the ν that the data were made with.

        Returns:
            ``"viscosity"``.
        """
        return {"viscosity": self.viscosity}

    def axes(self) -> dict[str, Tensor]:
        """Return the grid of `Burgers`.

        Returns:
            The two axes, float64.
        """
        return Burgers(self.viscosity).axes()

    def exact(self, points: Tensor) -> Tensor:
        """Return the solution without noise, that of `Burgers` with the true ν.

        Args:
            points: columns x and t ≥ 0, shape (N, 2).

        Returns:
            u, shape (N, 1), float64, on the points' device.
        """
        return Burgers(self.viscosity).exact(points)


@lru_cache(maxsize=8)
def _measurements(viscosity: float, noise: float, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Measure once: a problem is asked for its conditions again and again.

    Args:
        viscosity: ν.
        noise: relative standard deviation.
        count: M.
        seed: of points and noise.

    Returns:
        Points (M, 2) and noisy values (M, 1), float64.
    """
    problem, generator = Burgers(viscosity), torch.Generator().manual_seed(seed)
    points = Box.of(problem.domain, problem.coordinates).sample(
        torch.rand(count, 2, dtype=torch.float64, generator=generator)
    )
    values = problem.exact(points)
    scale = noise * values.std(correction=0)
    return points, values + scale * torch.randn(count, 1, dtype=torch.float64, generator=generator)
