"""Layers of torch that compute their activation without calling it."""

from __future__ import annotations

from torch import nn


def leave_fast_path(module: nn.Module) -> None:
    """Keep a transformer's layer from computing the activation that it was built with, in one call with the rest.

    Args:
        module: that holds or calls an activation which was given a slope; any other is left alone.
    """
    if isinstance(module, nn.TransformerEncoderLayer):
        module.activation_relu_or_gelu = 0
