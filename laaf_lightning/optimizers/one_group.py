"""Optimisers that take one parameter group only, and how to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def takes_one_group_only(factory: Callable[[Iterable[Any]], Optimizer], groups: Sequence[Any]) -> bool:
    """Tell whether a factory refused parameter groups because there is more than one.

    The factory is called with two groups of one small parameter each, without options, and what it builds is thrown
    away: ask this only after it has refused `groups`.

    Args:
        factory: what raised a ``ValueError`` when it was called with `groups`.
        groups: parameter groups, or plain or named parameters.

    Returns:
        Whether the factory refuses any two groups, as L-BFGS does. False for fewer than two groups, and where a
        parameter is in two of them, a mistake that one list would hide.

    Example:
        >>> x, y = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))
        >>> groups = [{"params": [x]}, {"params": [y], "weight_decay": 0.0}]
        >>> takes_one_group_only(torch.optim.LBFGS, groups), takes_one_group_only(torch.optim.Adam, groups)
        (True, False)
        >>> [tuple(parameter.shape) for parameter in all_parameters(groups)]
        [(2,), (3,)]
    """
    parameters = all_parameters(groups)
    tensors = [parameter[1] if isinstance(parameter, tuple) else parameter for parameter in parameters]
    if len(groups) < 2 or not isinstance(groups[0], dict) or len(set(tensors)) < len(tensors):
        return False
    try:
        factory([{"params": [_small_parameter(like=tensors[0])]} for _ in range(2)])
    except ValueError:
        return True
    return False


def all_parameters(groups: Sequence[Any]) -> list[Any]:
    """List the parameters of all groups, without the options of the groups.

    Args:
        groups: parameter groups, or plain or named parameters.

    Returns:
        The parameters in their order.
    """
    return [p for entry in groups for p in (entry["params"] if isinstance(entry, dict) else [entry])]


def _small_parameter(like: Tensor) -> nn.Parameter:
    """Make a matrix, for some optimisers take nothing else."""
    return nn.Parameter(torch.zeros(1, 1, dtype=like.dtype, device=like.device))
