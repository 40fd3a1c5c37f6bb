"""The Lorenz system whose three parameters are learnt from a trajectory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.point_data import PointData
from laaf_lightning.problems.pde import PDE

_UNIT = 20.0  # of the three states
_START = (-8.0 / _UNIT, 7.0 / _UNIT, 27.0 / _UNIT)
_PARAMETERS = ("sigma", "rho", "beta")


@dataclass(frozen=True)
class Lorenz(PDE):
    r"""The Lorenz system with unknown σ, ρ and β.

    .. math:: \dot x = \sigma (y - x), \quad \dot y = x (\rho - 20 z) - y, \quad \dot z = 20 x y - \beta z

    The states are in units of 20, so that they are of size 1: 20·(x, y, z) are those of E. N. Lorenz (Deterministic
    nonperiodic flow, J. Atmos. Sci. 20, 1963), and start from (−8, 7, 27). The parameters are learnt from x, y and z
    at equally spaced times of 0 ≤ t ≤ 1. That is long enough for all three: one per cent of σ, ρ or β moves the whole
    trajectory by 0.9, 1.7 or 0.5 per cent, in directions that differ (the condition number of the three is 4.5). It is
    short enough for chaos, which multiplies a change of the start by 8 in that time, and by 10⁴ by t = 10. The true
    parameters make the data and measure errors; the equations that are solved do not know them.

    Args:
        sigma: the true σ > 0.
        rho: the true ρ > 0.
        beta: the true β > 0.
        first_guess: the σ, ρ and β that learning starts from, finite.
        num_measurements: how many times are measured, ≥ 2.

    Raises:
        ConfigurationError: for a value outside these ranges.

    Example:
        >>> Lorenz().coefficients()
        {'sigma': 5.0, 'rho': 15.0, 'beta': 1.0}
        >>> Lorenz().exact(torch.tensor([[0.0]])).tolist()
        [[-0.4, 0.35, 1.35]]
    """

    sigma: float = 10.0
    rho: float = 28.0
    beta: float = 8 / 3
    first_guess: tuple[float, float, float] = (5.0, 15.0, 1.0)
    num_measurements: int = 101
    coordinates: ClassVar[tuple[str, ...]] = ("t",)
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"t": (0.0, 1.0)}
    unknowns: ClassVar[tuple[str, ...]] = ("x", "y", "z")

    def __post_init__(self) -> None:
        _check(self)
        object.__setattr__(self, "first_guess", tuple(self.first_guess))  # a list would have no hash

    def residual(self, x: Mapping[str, Tensor], u: Field, sigma: Tensor, rho: Tensor, beta: Tensor) -> Tensor:
        """Return the misfit of the three equations.

        Args:
            x: the column ``"t"``, shape (N, 1).
            u: the unknowns.
            sigma: σ as learnt so far, 0-dim.
            rho: ρ, likewise.
            beta: β, likewise.

        Returns:
            Shape (N, 3).
        """
        x_dot = sigma * (u["y"] - u["x"])
        y_dot = u["x"] * (rho - _UNIT * u["z"]) - u["y"]
        z_dot = _UNIT * u["x"] * u["y"] - beta * u["z"]
        return torch.cat([u["x"].d("t") - x_dot, u["y"].d("t") - y_dot, u["z"].d("t") - z_dot], dim=1)

    def conditions(self) -> Sequence[PointData]:
        """Return the measurements, without noise.

        Returns:
            ``"measured_x"``, ``"measured_y"`` and ``"measured_z"``.
        """
        times = torch.linspace(0.0, 1.0, self.num_measurements, dtype=torch.float64)[:, None]
        values = zip(self.unknowns, self.exact(times).T, strict=True)
        return [PointData(f"measured_{name}", times, states, unknown=name) for name, states in values]

    def coefficients(self) -> Mapping[str, float]:
        """Return the first guesses.

        Returns:
            ``"sigma"``, ``"rho"`` and ``"beta"``.
        """
        return dict(zip(_PARAMETERS, self.first_guess, strict=True))

    def true_coefficients(self) -> Mapping[str, float]:
        """Return the parameters that the data were made with.

        Returns:
            ``"sigma"``, ``"rho"`` and ``"beta"``.
        """
        return {name: getattr(self, name) for name in _PARAMETERS}

    def exact(self, points: Tensor) -> Tensor:
        """Return the reference by DOP853, of order 8, with tolerance 1e-12 (SciPy's ``solve_ivp``).

        The true parameters are taken. Steps of half the length change it by less than 1e-13.

        Args:
            points: the column t, 0 ≤ t ≤ 1, shape (N, 1).

        Returns:
            x, y and z in units of 20, shape (N, 3), float64, on the points' device.

        Raises:
            ConfigurationError: for a time outside [0, 1].
        """
        times = points.detach().cpu().double()[:, 0]
        if not ((times >= 0) & (times <= 1)).all():
            raise ConfigurationError(
                f"the reference solution of Lorenz is known for 0 <= t <= 1: got t from {times.min()} to {times.max()}"
            )
        if not len(times):
            return points.new_empty(0, len(_START), dtype=torch.float64)
        states = _trajectory(self.sigma, self.rho, self.beta)(times.numpy())
        return torch.from_numpy(states.T.copy()).to(points.device)


def _check(problem: Lorenz) -> None:
    for name, value in problem.true_coefficients().items():
        if not (math.isfinite(value) and value > 0):
            raise ConfigurationError(f"{name}={value} must be a finite number > 0")
    guesses = tuple(problem.first_guess)
    if len(guesses) != len(_PARAMETERS) or not all(math.isfinite(guess) for guess in guesses):
        raise ConfigurationError(
            f"first_guess={problem.first_guess} must be three finite numbers, for sigma, rho, beta"
        )
    if problem.num_measurements < 2:
        raise ConfigurationError(f"num_measurements={problem.num_measurements} must be >= 2")


@lru_cache(maxsize=8)
def _trajectory(
    sigma: float, rho: float, beta: float, longest_step: float = 0.005
) -> Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
    """Integrate from t = 0 to 1.

    Args:
        sigma: σ.
        rho: ρ.
        beta: β.
        longest_step: of the solver, so short that its interpolant is as exact as its steps.

    Returns:
        Maps times (T,) to the states in units of 20, (3, T).
    """
    from scipy.integrate import solve_ivp  # noqa: PLC0415  # a slow import that only this solution needs

    def slope(t: float, state: npt.NDArray[np.float64]) -> list[float]:
        x, y, z = state
        return [sigma * (y - x), x * (rho - _UNIT * z) - y, _UNIT * x * y - beta * z]

    solution = solve_ivp(
        slope,
        (0.0, 1.0),
        _START,
        method="DOP853",
        rtol=1e-12,
        atol=1e-12,
        dense_output=True,
        max_step=longest_step,
    )
    assert solution.success, solution.message
    assert solution.sol is not None
    states: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] = solution.sol
    return states
