r"""The self-scaled Broyden family of updates of an approximate inverse Hessian.

With a step s, the change y of the gradient over it, and the approximation H of the inverse Hessian,

.. math::
    H_{+} = \frac{1}{\tau}\left[H - \frac{H y y^T H}{y^T H y} + \varphi\, (y^T H y)\, v v^T\right]
            + \frac{s s^T}{y^T s}, \qquad v = \frac{s}{y^T s} - \frac{H y}{y^T H y}

φ = 1 and τ = 1 is BFGS. The self-scaled methods choose τ and φ from

.. math::
    b = \frac{s^T H^{-1} s}{y^T s}, \quad h = \frac{y^T H y}{y^T s}, \quad a = b h - 1, \quad
    c = \sqrt{\frac{a}{1 + a}}, \quad \rho = \min(1, h (1 - c))

.. math::
    \theta = \max\left(\frac{\rho - 1}{a}, \min\left(\frac{1}{\rho}, \frac{1 - b}{b}\right)\right), \quad
    \sigma = 1 + a\theta, \quad \varphi = \frac{1 - \theta}{1 + a\theta}

.. math::
    \tau = \min(1, 1/b) \cdot \min(\sigma^{-1/(n-1)}, 1/\theta) \;\text{ for } \theta > 0, \qquad
    \tau = \min\left(\min(1, 1/b)\, \sigma^{-1/(n-1)}, \sigma\right) \;\text{ otherwise}

A search direction :math:`p = -H g` and a step s = αp need no inverse for b: :math:`s^T H^{-1} s = -\alpha\, s^T g`.

Source: Al-Baali, Comput. Optim. Appl. 9 (1998); Urbán, Stefanou & Pons, J. Comput. Phys. (2025, arXiv 2405.04230);
Kiyani et al., Comput. Methods Appl. Mech. Eng. (2025, arXiv 2501.16371).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Method = Literal["ssbroyden", "ssbfgs", "bfgs"]


class Scaling(NamedTuple):
    """τ, by which the old approximation is divided, and φ, the member of the family (1 is BFGS, 0 is DFP)."""

    tau: float
    phi: float


def choose_scaling(method: Method, b: float, h: float, size: int, *, first: bool = False) -> Scaling:
    """Choose τ and φ by the formulas above.

    Args:
        method: ``"ssbroyden"``, ``"ssbfgs"`` (φ = 1) or ``"bfgs"`` (φ = 1, τ = 1).
        b: as above, > 0.
        h: as above, > 0.
        size: number n of parameters, ≥ 1.
        first: whether H is still the identity: then τ = h/(1 + aθ), which gives it the scale of the inverse Hessian
            (Nocedal & Wright, Numerical Optimization, eq. 6.20).

    Returns:
        τ > 0 and φ.

    Example:
        >>> choose_scaling("bfgs", b=0.5, h=3.0, size=10)
        Scaling(tau=1.0, phi=1.0)
        >>> choose_scaling("ssbfgs", b=2.0, h=3.0, size=10)
        Scaling(tau=0.5, phi=1.0)
    """
    a = max(b * h - 1.0, 0.0)  # ≥ 0 by Cauchy and Schwarz, but for rounding
    theta = _theta(a, b, h) if method == "ssbroyden" else 0.0
    sigma = 1.0 + a * theta
    phi = (1.0 - theta) / sigma
    if first:
        return Scaling(h / sigma, phi)
    if method == "bfgs":
        return Scaling(1.0, phi)
    bounded = min(1.0, 1.0 / b)
    if method == "ssbfgs":
        return Scaling(bounded, phi)
    spread = sigma ** (-1.0 / (size - 1)) if size > 1 else 1.0
    return Scaling(bounded * min(spread, 1.0 / theta) if theta > 0 else min(bounded * spread, sigma), phi)


def _theta(a: float, b: float, h: float) -> float:
    if a == 0.0:
        return 0.0  # s and y are aligned as H has it: the whole family is one update
    rho = min(1.0, h * (1.0 - math.sqrt(a / (1.0 + a))))
    return max((rho - 1.0) / a, min(1.0 / rho, (1.0 - b) / b))


def update_inverse_hessian(
    inverse_hessian: Tensor, s: Tensor, y: Tensor, inverse_times_y: Tensor, scaling: Scaling
) -> None:
    """Update H in place.

    Args:
        inverse_hessian: H, shape (n, n), symmetric positive definite.
        s: the step, shape (n,).
        y: the change of the gradient, shape (n,), with y·s > 0.
        inverse_times_y: H y, shape (n,).
        scaling: τ and φ.

    Example:
        >>> H, s, y = torch.eye(2), torch.tensor([1.0, 0.0]), torch.tensor([4.0, 1.0])
        >>> update_inverse_hessian(H, s, y, H @ y, Scaling(tau=1.0, phi=1.0))
        >>> torch.allclose(H @ y, s)  # the secant condition
        True
    """
    ys, yHy = torch.dot(y, s).item(), torch.dot(y, inverse_times_y).item()
    tau, phi = scaling
    # All three terms lie in the span of s and H y: one pass over H with a symmetric 2 × 2 core.
    basis = torch.stack([s, inverse_times_y], dim=1)
    core = basis.new_tensor(
        [
            [phi * yHy / (tau * ys * ys) + 1.0 / ys, -phi / (tau * ys)],
            [-phi / (tau * ys), (phi - 1.0) / (tau * yHy)],
        ]
    )
    inverse_hessian.addmm_(basis @ core, basis.T, beta=1.0 / tau)
