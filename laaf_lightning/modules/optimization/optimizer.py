"""Build a module's optimiser and scheduler from factories, with the slopes in a group of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import torch
from pytorch_lightning.strategies import Strategy
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from laaf_lightning.activations import slope_parameter_groups
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules.optimization.own_rates import own_rates, rates_of_groups, with_own_rates
from laaf_lightning.modules.optimization.resumed_optimizer import follow_requests
from laaf_lightning.modules.optimization.schedule import Schedule
from laaf_lightning.optimizers.one_group import takes_one_group_only

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


def build_optimizer(
    model: nn.Module, factory: OptimizerFactory, slope_lr: float | None = None, lr: float | None = None
) -> Optimizer:
    """Call a factory with weights and slopes in two groups, or with a flat list where it takes one group only.

    A factory is called once, unless it refuses the groups: then again, with small parameters or single ones, to find
    out why. So it may log or count, but what it builds is the model's optimiser only where it is returned from here.

    Args:
        model: whose parameters are trained.
        factory: called with groups or parameters, returns the optimiser.
        slope_lr: learning rate of the slopes; None for the optimiser's.
        lr: learning rate of weights, and of slopes unless they have one; None for the optimiser's.

    Returns:
        The optimiser.

    Raises:
        ConfigurationError: for `slope_lr`, or a coefficient's rate, where there is one group only, or an optimiser that
            refuses some parameters.
        ValueError: the optimiser's own, for anything else that it refuses.

    Example:
        >>> from laaf_lightning.activations import AdaptiveActivation
        >>> model = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh"))
        >>> [group["weight_decay"] for group in build_optimizer(model, torch.optim.AdamW).param_groups]
        [0.01, 0.0]
        >>> len(build_optimizer(model, torch.optim.LBFGS).param_groups)
        1
    """
    groups = with_own_rates(slope_parameter_groups(model, slope_lr=slope_lr), own := own_rates(model))
    if lr is not None:
        groups = [{"lr": lr, **group} for group in groups]
    try:
        return factory(groups)
    except ValueError as error:
        if takes_one_group_only(factory, groups):
            optimizer = factory([p for p in model.parameters() if p.requires_grad])
            if lr is not None:
                optimizer.param_groups[0]["lr"] = lr
            if slope_lr is not None:
                raise ConfigurationError(
                    f"slope_lr={slope_lr} needs an optimiser with parameter groups: {error}; leave slope_lr out"
                ) from error
            if own:
                raise ConfigurationError(
                    f"a coefficient's lr={next(iter(own.values())):g} needs an optimiser with parameter groups: "
                    f"{error}; leave lr out of the Coefficient, and give it a scale"
                ) from error
            return optimizer
        refused = {name: p for name, p in model.named_parameters() if p.requires_grad and not _accepts(factory, p)}
        if len(refused) in {0, sum(p.requires_grad for p in model.parameters())}:
            raise  # it is not about some parameters
        shapes = ", ".join(f"{name} of shape {tuple(p.shape)}" for name, p in refused.items())
        raise ConfigurationError(
            f"the optimiser refuses {shapes}: {error}; take one that accepts parameters of any shape"
        ) from error


def configure(
    model: nn.Module,
    optimizer: Optimizer,
    scheduler_factory: SchedulerFactory | None,
    slope_lr: float | None,
    interval: str,
) -> tuple[Schedule | None, Any]:
    """Build the scheduler, and say what Lightning asks to know about optimiser and scheduler.

    Args:
        model: whose parameters are trained.
        optimizer: of `build_optimizer`; what is asked for holds when it goes on from a checkpoint.
        scheduler_factory: called with the optimiser, returns the scheduler; None for a constant learning rate.
        slope_lr: as for `build_optimizer`.
        interval: when the scheduler steps, ``"step"`` or ``"epoch"``.

    Returns:
        The schedule, None without one, and what ``configure_optimizers`` returns. A `ReduceLROnPlateau` steps once an
        epoch, when what it watches has been measured: its ``monitor``, as ``pytorch_lightning.cli.ReduceLROnPlateau``
        has one, else ``train/loss``.
    """
    asked = follow_requests(model, optimizer)
    if scheduler_factory is None:
        return None, optimizer
    schedule = Schedule(scheduler_factory, optimizer, slope_lr, rates_of_groups(optimizer, own_rates(model)))
    for each in asked:
        each.scheduled = True
    scheduler = schedule.scheduler
    told: dict[str, Any] = {"scheduler": scheduler, "interval": interval}
    if isinstance(scheduler, ReduceLROnPlateau):
        told |= {"interval": "epoch", "monitor": getattr(scheduler, "monitor", "train/loss")}
    return schedule, {"optimizer": optimizer, "lr_scheduler": told}


def mean_closure(closure: Callable[[], Any], strategy: Strategy) -> Callable[[], Any]:
    """Wrap an optimiser's closure so that its value is the mean over ranks, as the gradients are.

    Args:
        closure: computes the loss and its gradients on this rank.
        strategy: the Trainer's.

    Returns:
        The closure for the optimiser.
    """

    def mean() -> Any:
        value = closure()
        if not isinstance(value, Tensor):
            return value
        # A copy: reduce works in place, and the value is what later hooks get as this rank's loss.
        return strategy.reduce(value.clone(), reduce_op="mean")

    return mean


def _accepts(factory: OptimizerFactory, parameter: nn.Parameter) -> bool:
    try:
        factory([parameter])
    except ValueError:
        return False
    return True
