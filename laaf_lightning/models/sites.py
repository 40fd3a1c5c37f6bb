"""Build the adaptive activations of one network, and check the sizes that networks share."""

from __future__ import annotations

import copy
import operator
from collections.abc import Mapping
from typing import SupportsIndex

import torch
from torch import Tensor, nn

from laaf_lightning.activations import (
    Activation,
    AdaptiveActivation,
    Scope,
    check_scaling_factor,
    check_scope,
    initial_slope,
)
from laaf_lightning.errors import ConfigurationError


class SiteFactory:
    """Makes the `AdaptiveActivation` sites of one network, with the slope's shape that the scope asks for.

    For scope ``"global"`` all sites of one factory hold the same parameter. An activation given as a module
    is copied for every site, so that its own parameters (``nn.PReLU``) are not shared by accident.

    Args:
        activation: the elementwise σ, as for `AdaptiveActivation`.
        scope: as for `AdaptiveActivation`.
        n: scaling factor, > 0.

    Example:
        >>> sites = SiteFactory("relu", "neuron", 2.0)
        >>> sites.features(50).a.shape, sites.maps(64, 12).a.shape
        (torch.Size([50]), torch.Size([64, 12, 12]))
    """

    def __init__(self, activation: Activation, scope: Scope, n: float) -> None:
        self._activation = activation
        self._scope = check_scope(scope)
        self._n = check_scaling_factor(n)
        self._shared = initial_slope(self._n) if self._scope == "global" else None

    def features(self, size: int) -> AdaptiveActivation:
        """Make the activation of a fully connected layer.

        Args:
            size: number of neurons F; channel-wise and neuron-wise slopes both have shape (F,).

        Returns:
            A new site.
        """
        return self._site((size,), (size,))

    def maps(self, channels: int, side: int) -> AdaptiveActivation:
        """Make the activation of square feature maps.

        Args:
            channels: number of channels C; channel-wise slopes have shape (C, 1, 1).
            side: height and width S; neuron-wise slopes have shape (C, S, S).

        Returns:
            A new site.
        """
        return self._site((channels, 1, 1), (channels, side, side))

    def _site(self, channel: tuple[int, ...], neuron: tuple[int, ...]) -> AdaptiveActivation:
        shape = {"channel": channel, "neuron": neuron}.get(self._scope)
        activation = copy.deepcopy(self._activation) if isinstance(self._activation, nn.Module) else self._activation
        return AdaptiveActivation(activation, self._scope, self._n, shape, slope=self._shared)


def check_sizes(sizes: Mapping[str, object]) -> None:
    """Raise unless every size of a network is a whole number of at least 1.

    Args:
        sizes: argument name and value.

    Raises:
        ConfigurationError: naming the first argument that is not.
    """
    for name, value in sizes.items():
        # Anything that indexes is whole: a count often comes as a NumPy integer.
        if isinstance(value, bool) or not isinstance(value, SupportsIndex) or operator.index(value) < 1:
            raise ConfigurationError(f"{name}={value!r} must be a whole number >= 1")


def example_for(network: nn.Module, *shape: int) -> Tensor:
    """Make a batch of noise that a network takes, the same at every call.

    Args:
        network: whose device and dtype it has.
        shape: of the batch.

    Returns:
        Numbers of [0, 1).
    """
    like = next(network.parameters())
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return noise.to(like.device, like.dtype)
