"""Build a module's optimiser from a factory, with the slopes in a group of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from laaf_lightning.activations import slope_parameter_groups
from laaf_lightning.errors import ConfigurationError

OptimizerFactory: TypeAlias = Callable[[Iterable[Any]], Optimizer]
SchedulerFactory: TypeAlias = Callable[[Optimizer], LRScheduler]


def adam(parameters: Iterable[Any]) -> Optimizer:
    """Build Adam with its default settings, the modules' default optimiser.

    Args:
        parameters: parameters or groups.

    Returns:
        The optimiser.
    """
    return torch.optim.Adam(parameters)


def build_optimizer(model: nn.Module, factory: OptimizerFactory, slope_lr: float | None = None) -> Optimizer:
    """Call a factory with weights and slopes in two groups, or with a flat list where it takes one group only.

    Args:
        model: whose parameters are trained.
        factory: called with groups or parameters, returns the optimiser.
        slope_lr: learning rate of the slopes; None for the optimiser's.

    Returns:
        The optimiser.

    Raises:
        ConfigurationError: for `slope_lr` where there is one group only, or an optimiser that refuses some parameters.
        ValueError: the optimiser's own, for anything else that it refuses.

    Example:
        >>> from laaf_lightning.activations import AdaptiveActivation
        >>> model = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh"))
        >>> [group["weight_decay"] for group in build_optimizer(model, torch.optim.AdamW).param_groups]
        [0.01, 0.0]
        >>> len(build_optimizer(model, torch.optim.LBFGS).param_groups)
        1
    """
    try:
        return factory(slope_parameter_groups(model, slope_lr=slope_lr))
    except ValueError as error:
        if "parameter group" in str(error) or "parameter options" in str(error):
            return _flat_optimizer(model, factory, slope_lr, error)
        refused = {name: p for name, p in model.named_parameters() if p.requires_grad and not _accepts(factory, p)}
        if len(refused) in {0, sum(p.requires_grad for p in model.parameters())}:
            raise  # it is not about some parameters
        shapes = ", ".join(f"{name} of shape {tuple(p.shape)}" for name, p in refused.items())
        raise ConfigurationError(
            f"the optimiser refuses {shapes}: {error}; take one that accepts parameters of any shape"
        ) from error


def _flat_optimizer(
    model: nn.Module, factory: OptimizerFactory, slope_lr: float | None, error: ValueError
) -> Optimizer:
    if slope_lr is not None:
        raise ConfigurationError(
            f"slope_lr={slope_lr} needs an optimiser with parameter groups: {error}; leave slope_lr out"
        ) from error
    return factory([p for p in model.parameters() if p.requires_grad])


def _accepts(factory: OptimizerFactory, parameter: nn.Parameter) -> bool:
    try:
        factory([parameter])
    except ValueError:
        return False
    return True
