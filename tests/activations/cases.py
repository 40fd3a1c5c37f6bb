"""The sites that every test of the method goes through, and their σ in NumPy float64."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import erf
from torch import Tensor, nn

from laaf_lightning.activations import Activation, AdaptiveActivation, Scope

Array = npt.NDArray[np.float64]

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805

FORMULAS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "sin": np.sin,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.where(z > 0, z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "selu": lambda z: _SELU_SCALE * np.where(z > 0, z, _SELU_ALPHA * (np.exp(z) - 1)),
    "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
    "silu": lambda z: z / (1 + np.exp(-z)),
    "mish": lambda z: z * np.tanh(np.log(1 + np.exp(z))),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "softsign": lambda z: z / (1 + np.abs(z)),
    "identity": lambda z: z,
}
SMOOTH = ("tanh", "sin", "sigmoid", "gelu", "silu", "mish", "softplus", "identity")


class Case(NamedTuple):
    scope: Scope
    shape: tuple[int, ...] | None
    sample: tuple[int, ...]

    def site(self, activation: Activation = "tanh", n: float = 1.0) -> AdaptiveActivation:
        return AdaptiveActivation(activation, self.scope, n, self.shape)

    def moved_site(self, activation: Activation = "tanh", n: float = 3.0) -> AdaptiveActivation:
        """Make a site in float64 whose slopes n·a are anywhere between −2 and 2, all different."""
        site = self.site(activation, n).double()
        if site.a is not None:
            with torch.no_grad():
                site.a.copy_(noise(*site.a.shape) / n)
        return site

    def z(self, batch: int = 2) -> Tensor:
        return noise(batch, *self.sample, seed=1)


CASES = {
    "fixed": Case("fixed", None, (3,)),
    "global": Case("global", None, (3,)),
    "layer": Case("layer", None, (3,)),
    "layer_of_maps": Case("layer", (), (3, 4, 5)),
    "channels": Case("channel", (3, 1, 1), (3, 4, 5)),
    "features": Case("neuron", (3,), (3,)),
    "features_of_a_sequence": Case("neuron", (3,), (4, 3)),
    "neurons_of_maps": Case("neuron", (3, 4, 5), (3, 4, 5)),
}
TRAINED = {name: case for name, case in CASES.items() if case.scope != "fixed"}


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Draw float64 numbers from [−2, 2]."""
    generator = torch.Generator().manual_seed(zlib.crc32(repr((shape, seed)).encode()))
    return 4 * torch.rand(shape, dtype=torch.float64, generator=generator) - 2


def parameter(module: Any) -> nn.Parameter:
    """Return the slope of a site, which must have one."""
    assert isinstance(module, AdaptiveActivation)
    assert module.a is not None
    return module.a
