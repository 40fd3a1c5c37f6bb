"""The Allen–Cahn equation with a spectral reference solution."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.faces import Dirichlet
from laaf_lightning.problems.conditions.periodic import Periodic
from laaf_lightning.problems.pde import PDE, Ansatz

Floats: TypeAlias = npt.NDArray[np.float64]

_MAX_TERMS = 4_000_000  # points times modes at a time: 32 MB
_STABLE_STEP = 5.0  # times the fastest decay rate; DOP853 is stable up to about 6


@dataclass(frozen=True)
class AllenCahn(PDE):
    r"""The Allen–Cahn equation :math:`u_t = D u_{xx} - R (u^3 - u)`.

    On x ∈ [−1, 1], t ∈ [0, 1], with u(x, 0) = x² cos πx, u and u_x periodic (Raissi, Perdikaris & Karniadakis,
    J. Comput. Phys. 378, 2019, section 3.1.2). Two fronts steepen where u = 0. u_x is not periodic at t = 0 itself:
    the initial value has a kink at x = ±1, where its slopes ±2 meet, and diffusion smooths it from then on.

    Args:
        diffusivity: D, 1e-5 ≤ D ≤ 1.
        reaction: R, 0 ≤ R ≤ 10.
        hard_conditions: whether u = x² cos πx + t·N meets the initial condition by construction; the periodic ones
            stay in the loss.

    Raises:
        ConfigurationError: for values outside these ranges, which the reference solution does not resolve in seconds.

    Example:
        >>> AllenCahn().exact(torch.tensor([[0.0, 0.25], [0.0, 1.0]])).round(decimals=4).tolist()
        [[0.0002], [0.0296]]
    """

    diffusivity: float = 1e-4
    reaction: float = 5.0
    hard_conditions: bool = False

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (-1.0, 1.0), "t": (0.0, 1.0)}

    def __post_init__(self) -> None:
        for name, least, most in (("diffusivity", 1e-5, 1), ("reaction", 0, 10)):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ConfigurationError(
                    f"{name}={value} must be between {least} and {most}: the reference solution resolves no other"
                )

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        """Return u_t − D·u_xx + R·(u³ − u).

        Args:
            x: the columns ``"x"`` and ``"t"``, shape (N, 1).
            u: the unknown.

        Returns:
            Shape (N, 1).
        """
        return u.d("t") - self.diffusivity * u.d("x", "x") + self.reaction * (u**3 - u)

    def conditions(self) -> Sequence[Condition]:
        """Return the initial condition and the two periodic ones.

        Returns:
            ``"initial"``, unless it is hard, ``"periodic"`` and ``"periodic_slope"``.
        """
        initial = () if self.hard_conditions else (Dirichlet("initial", ("t", 0.0), _initial_value),)
        around = Periodic("periodic", "x", (-1.0, 1.0)), Periodic("periodic_slope", "x", (-1.0, 1.0), order=1)
        return (*initial, *around)

    def ansatz(self) -> Ansatz | None:
        """Return the hard condition, if asked for.

        Returns:
            g = x² cos πx and d = t, or None.
        """
        return Ansatz(_initial_value, _time) if self.hard_conditions else None

    def axes(self) -> dict[str, Tensor]:
        """Return x = linspace(−1, 1, 201) and t = linspace(0, 1, 101).

        Returns:
            The two axes, float64.
        """
        return {
            "x": torch.linspace(-1.0, 1.0, 201, dtype=torch.float64),
            "t": torch.linspace(0.0, 1.0, 101, dtype=torch.float64),
        }

    def exact(self, points: Tensor) -> Tensor:
        r"""Return the reference solution by a cosine-spectral method.

        .. math:: u(x, t) = \sum_{k=0}^{K} a_k(t) \cos(k \pi x)
            + e^{-D (\pi K)^2 t} \sum_{k>K} a_k(0) \cos(k \pi x)

        The initial value is even, so u stays even, and its a_k are known in closed form. u³ is formed on 2K + 1
        points, which alias nothing onto the K modes; time steps are those of DOP853, of order 8 (Hairer, Nørsett &
        Wanner, Solving Ordinary Differential Equations I, section II.10). The second sum, the rest of the initial
        value, carries most of its kink and is gone by t = 0.01.

        At the default values, K = 1230 modes differ from 2460 with time steps 1000 times as exact by 8e-11 on the
        grid of `axes`, by 4e-14 from t = 0.5 on, and by up to 7e-5 near the kink while it is smoothed, t < 0.01.

        Args:
            points: columns x and t, 0 ≤ t ≤ 1, shape (N, 2).

        Returns:
            u, shape (N, 1), float64, on the points' device.

        Raises:
            ConfigurationError: for a time outside [0, 1].
        """
        inner = points.detach().cpu().double()
        x, t = inner[:, :1], inner[:, 1]
        if not ((t >= 0) & (t <= 1)).all():
            raise ConfigurationError(
                f"the reference solution of AllenCahn is known for 0 <= t <= 1: got t from {t.min()} to {t.max()}"
            )
        modes = _num_modes(self.diffusivity, self.reaction)
        amplitudes = _amplitudes(self.diffusivity, self.reaction, modes)
        wavenumbers = math.pi * torch.arange(modes + 1, dtype=torch.float64)
        initial = torch.from_numpy(amplitudes(np.zeros(1)).T)
        fading = torch.exp(-self.diffusivity * wavenumbers[-1] ** 2 * t)[:, None]
        u = fading * _initial_value(inner)
        for part in t.argsort().split(max(1, _MAX_TERMS // modes)) if len(t) else ():  # neighbours share their times
            times, index = t[part].unique_consecutive(return_inverse=True)
            a = torch.from_numpy(amplitudes(times.numpy()).T)[index] - fading[part] * initial
            u[part] += (torch.cos(x[part] * wavenumbers) * a).sum(dim=1, keepdim=True)
        return u.to(points.device)


def _time(points: Tensor) -> Tensor:
    return points[:, 1:]


def _initial_value(points: Tensor) -> Tensor:
    x = points[:, :1]
    return x * x * torch.cos(math.pi * x)


def _num_modes(diffusivity: float, reaction: float) -> int:
    """Choose how many cosines resolve a front of width √(2D/R), and the kink's smoothing by t = 0.01."""
    return math.ceil(5.5 * math.sqrt(max(reaction, 5.0) / diffusivity))


@lru_cache(maxsize=2)
def _amplitudes(
    diffusivity: float, reaction: float, modes: int, tolerance: float = 1e-10
) -> Callable[[Floats], Floats]:
    """Integrate the amplitudes a_k from t = 0 to 1.

    Args:
        diffusivity: D.
        reaction: R.
        modes: K.
        tolerance: relative, of the time steps; the absolute one is a hundredth of it.

    Returns:
        Maps times (T,) to a_k, (K + 1, T).
    """
    from scipy.fft import dct  # noqa: PLC0415  # slow imports that only this solution needs
    from scipy.integrate import solve_ivp  # noqa: PLC0415

    decay = diffusivity * (math.pi * np.arange(modes + 1)) ** 2
    padded = np.zeros(2 * modes + 1)

    def slope(t: float, amplitudes: Floats) -> Floats:
        padded[: modes + 1] = amplitudes
        padded[1:] /= 2
        u = dct(padded, type=1)
        cube = dct(u**3, type=1)[: modes + 1] / (2 * modes)
        cube[0] /= 2
        return reaction * (amplitudes - cube) - decay * amplitudes

    initial = _initial_amplitudes(np.arange(modes + 1.0))
    solution = solve_ivp(
        slope,
        (0.0, 1.0),
        initial,
        method="DOP853",
        rtol=tolerance,
        atol=tolerance / 100,
        dense_output=True,
        max_step=_STABLE_STEP / decay[-1],
    )
    assert solution.success, solution.message
    assert solution.sol is not None
    amplitudes: Callable[[Floats], Floats] = solution.sol
    return amplitudes


def _initial_amplitudes(k: Floats) -> Floats:
    """Return a_k(0) = 2∫₀¹ x² cos πx cos kπx dx, half of it for k = 0, in closed form."""
    sign = np.where(k % 2 == 0, -2.0, 2.0) / math.pi**2
    amplitudes: Floats = sign * (1 / (k + 1.0) ** 2 + 1 / np.where(k == 1, np.inf, k - 1.0) ** 2)
    amplitudes[0] /= 2
    amplitudes[1] += 1 / 3
    return amplitudes
