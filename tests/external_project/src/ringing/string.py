"""The vibrating string, and a PINN whose network sees x and t in periods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

import laaf_lightning as laaf


@dataclass(frozen=True)
class VibratingString(laaf.PDE):
    """u_tt = c² u_xx on a string with fixed ends that is let go from sin(πx).

    Args:
        speed: c of the wave.
    """

    speed: float = 1.0

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 1.0), "t": (0.0, 1.0)}

    def residual(self, x: Mapping[str, Tensor], u: laaf.Field) -> Tensor:
        """Return u_tt − c² u_xx."""
        return u.d("t", "t") - self.speed**2 * u.d("x", "x")

    def conditions(self) -> Sequence[laaf.Condition]:
        """Return the shape and the speed at the start, and the fixed ends."""
        return (
            laaf.Dirichlet("shape", ("t", 0.0), lambda points: torch.sin(math.pi * points[:, :1])),
            laaf.Neumann("rest", ("t", 0.0), lambda points: torch.zeros_like(points[:, :1])),
            laaf.Dirichlet("left", ("x", 0.0), lambda points: torch.zeros_like(points[:, :1])),
            laaf.Dirichlet("right", ("x", 1.0), lambda points: torch.zeros_like(points[:, :1])),
        )

    def exact(self, points: Tensor) -> Tensor:
        """Return sin(πx) cos(πct)."""
        x, t = points.double().split(1, dim=1)
        return torch.sin(math.pi * x) * torch.cos(math.pi * self.speed * t)


class StringPINN(laaf.PINN):
    """A PINN of the string with a sine network.

    Args:
        problem: the string.
        neurons: of each hidden layer.
        kwargs: as for the base.
    """

    def __init__(self, problem: VibratingString, neurons: int = 8, **kwargs: Any) -> None:
        self.neurons = neurons
        super().__init__(problem, **kwargs)

    def build_network(self) -> nn.Module:
        """Return a sine network with a slope for each neuron."""
        return laaf.MLP(2, 1, width=self.neurons, depth=2, activation="sin", scope="neuron", n=5)
