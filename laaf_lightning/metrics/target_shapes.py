"""Targets of a regression in the shape of the outputs that they are compared with."""

from __future__ import annotations

from torch import Tensor

from laaf_lightning.errors import ConfigurationError


def targets_like(outputs: Tensor, targets: Tensor) -> Tensor:
    """Take targets of shape (N,) as one column, and refuse what would be broadcast.

    Args:
        outputs: shape (N, C), or any other.
        targets: the same shape, or (N,) where C = 1.

    Returns:
        The targets in the shape of the outputs.

    Raises:
        ConfigurationError: for any other shape.

    Example:
        >>> import torch
        >>> targets_like(torch.zeros(3, 1), torch.zeros(3)).shape
        torch.Size([3, 1])
    """
    if targets.shape == outputs.shape:
        return targets
    if outputs.ndim == 2 and outputs.shape[1] == 1 and targets.shape == outputs.shape[:1]:
        return targets[:, None]
    of_one = f" or ({len(outputs)},)" if outputs.ndim == 2 and outputs.shape[1] == 1 else ""
    raise ConfigurationError(
        f"targets of shape {tuple(targets.shape)} do not fit outputs of shape {tuple(outputs.shape)} and would be "
        f"broadcast: give targets of shape {tuple(outputs.shape)}{of_one}, or a network with other outputs "
        "(out_features=…, --model.out_features)"
    )
