"""The affine layers that a slope can go into, each along the dimension of its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_CONVOLUTIONS = {
    kind: spatial
    for spatial, kinds in enumerate(
        ((nn.Conv1d, nn.ConvTranspose1d), (nn.Conv2d, nn.ConvTranspose2d), (nn.Conv3d, nn.ConvTranspose3d)), start=1
    )
    for kind in kinds
}
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORMS = {nn.InstanceNorm1d: 1, nn.InstanceNorm2d: 2, nn.InstanceNorm3d: 3}
_LAST_NORMS: tuple[type[nn.Module], ...] = (nn.LayerNorm, nn.RMSNorm)
_KINDS: tuple[type[nn.Module], ...] = (
    nn.Linear,
    nn.Bilinear,
    *_CONVOLUTIONS,
    *_BATCH_NORMS,
    *_INSTANCE_NORMS,
    *_LAST_NORMS,
    nn.GroupNorm,
)
_FORWARDS: set[Callable[..., Any]] = {kind.forward for kind in _KINDS}
_TENSORS = ("weight", "bias")


def is_layer(module: nn.Module) -> bool:
    """Tell whether a module is of an affine kind, whatever its weights are.

    Args:
        module: any.

    Returns:
        Whether it descends from such a class of torch.
    """
    return isinstance(module, _KINDS)


def why_not(layer: nn.Module) -> str | None:
    """Say why a layer's own weights cannot take a slope.

    Args:
        layer: of an affine kind.

    Returns:
        The reason; None where they can.
    """
    own_forward = type(layer).forward not in _FORWARDS or "forward" in vars(layer)
    convolves = getattr(type(layer), "_conv_forward", None)
    known = {None, *(getattr(kind, "_conv_forward", None) for kind in _CONVOLUTIONS)}
    if own_forward or convolves not in known or type(layer).__call__ is not nn.Module.__call__:
        return "has a forward of its own"
    if any(getattr(layer, name, None) is not None and layer._parameters.get(name) is None for name in _TENSORS):
        return "has weights that are computed, as weight_norm does"
    if layer._parameters.get("weight") is None:
        return "has no weight"
    if any(type(each) is not nn.Parameter or not each.is_floating_point() for each in tensors_of(layer).values()):
        return "has weights that are not of an ordinary kind"
    return None


def tensors_of(layer: nn.Module) -> dict[str, nn.Parameter]:
    """Return what of a layer is scaled.

    Args:
        layer: one that `why_not` has nothing against.

    Returns:
        Weight, and bias where there is one.
    """
    return {name: tensor for name in _TENSORS if (tensor := layer._parameters.get(name)) is not None}


def channels(layer: nn.Module) -> int:
    """Count the features that a layer makes, each with a slope of its own at most.

    Args:
        layer: of an affine kind.

    Returns:
        How many.
    """
    weight = layer._parameters["weight"]
    assert weight is not None
    if isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return layer.out_channels
    return weight.numel() if isinstance(layer, _LAST_NORMS) else weight.shape[0]


def channel_of_each(layer: nn.Module, shape: torch.Size) -> Tensor:
    """Number the features of a layer in a tensor of its output's shape.

    Args:
        layer: of an affine kind.
        shape: of its output.

    Returns:
        Whole numbers from 0.
    """
    numbers = torch.arange(channels(layer))
    if isinstance(layer, _LAST_NORMS):
        weight = layer._parameters["weight"]
        assert weight is not None
        return numbers.reshape(weight.shape).expand(shape)
    return numbers.reshape([-1, *[1] * (len(shape) - 1 - _dim(layer, len(shape)))]).expand(shape)


def _dim(layer: nn.Module, ndim: int) -> int:
    """Return the dimension of a layer's output that holds the features."""
    if isinstance(layer, (nn.Linear, nn.Bilinear)):
        return ndim - 1
    spatial: dict[Any, int] = {**_CONVOLUTIONS, **_INSTANCE_NORMS}
    for kind, count in spatial.items():
        if isinstance(layer, kind):
            return ndim - 1 - count
    return 1


def scaled(layer: nn.Module, factors: Tensor) -> dict[str, Tensor]:
    """Compute a layer's weights with a slope in them.

    Args:
        layer: one that `why_not` has nothing against.
        factors: one for each feature, float64.

    Returns:
        By name, in the weights' dtype, rounded once.
    """
    return {
        name: (tensor.detach().double() * _along(layer, name, tensor, factors.to(tensor.device))).to(tensor.dtype)
        for name, tensor in tensors_of(layer).items()
    }


def _along(layer: nn.Module, name: str, tensor: Tensor, factors: Tensor) -> Tensor:
    """Shape the factors against a weight or bias."""
    if name == "weight" and isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        # (in, out / groups, …), where each group of inputs makes outputs of its own
        each = factors.reshape(layer.groups, 1, -1).expand(-1, layer.in_channels // layer.groups, -1)
        return each.reshape(layer.in_channels, -1, *[1] * (tensor.ndim - 2))
    if isinstance(layer, _LAST_NORMS):
        return factors.reshape(tensor.shape)
    return factors.reshape(-1, *[1] * (tensor.ndim - 1))
