"""One learning rate schedule after another, from factories, so that a configuration can hold it."""

from __future__ import annotations

from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, SequentialLR

from laaf_lightning.errors import ConfigurationError


class SequentialScheduler(SequentialLR):
    """torch's ``SequentialLR`` with schedulers that it makes itself: a warm-up, then a cosine, in YAML too.

    Args:
        optimizer: whose learning rates are set.
        schedulers: at least two; each is called with the optimiser and returns a scheduler.
        milestones: the steps at which the next one takes over, rising, one fewer than schedulers.

    Raises:
        ConfigurationError: for fewer than two schedulers, or milestones that do not fit.

    Example:
        >>> import torch
        >>> from functools import partial
        >>> from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        >>> stages = [partial(LinearLR, start_factor=0.5, total_iters=2), partial(CosineAnnealingLR, T_max=2)]
        >>> schedule, rates = SequentialScheduler(optimizer, stages, milestones=[2]), []
        >>> for _ in range(4):
        ...     rates.append(round(optimizer.param_groups[0]["lr"], 3))
        ...     optimizer.step()
        ...     schedule.step()
        >>> rates
        [0.5, 0.75, 1.0, 0.5]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[Callable[[Optimizer], LRScheduler]], milestones: list[int]
    ) -> None:
        if len(schedulers) < 2:
            raise ConfigurationError(
                f"schedulers of SequentialScheduler has {len(schedulers)}, and must have at least two; take a single "
                "one as it is"
            )
        if len(milestones) != len(schedulers) - 1 or [*milestones] != sorted({*milestones}) or milestones[0] < 1:
            raise ConfigurationError(
                f"milestones={milestones} of SequentialScheduler must be {len(schedulers) - 1} rising whole numbers "
                f">= 1 for {len(schedulers)} schedulers"
            )
        super().__init__(optimizer, [make(optimizer) for make in schedulers], [*milestones])
