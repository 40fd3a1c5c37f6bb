"""Learning rates of single coefficients, as groups of an optimiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from laaf_lightning.solutions.scales.coefficients import LearntCoefficients


def own_rates(model: nn.Module) -> dict[nn.Parameter, float]:
    """Find the trained coefficients that have a learning rate of their own.

    Args:
        model: any.

    Returns:
        Parameter to rate.
    """
    each = (part.learning_rates() for part in model.modules() if isinstance(part, LearntCoefficients))
    return {parameter: lr for rates in each for parameter, lr in rates.items() if parameter.requires_grad}


def with_own_rates(groups: Sequence[dict[str, Any]], rates: Mapping[nn.Parameter, float]) -> list[dict[str, Any]]:
    """Take parameters out into groups of their own, one for each learning rate.

    Args:
        groups: of parameters.
        rates: parameter to learning rate.

    Returns:
        The groups with the new ones after the first, so that the slopes stay last.
    """
    if not rates:
        return [*groups]
    left = [{**group, "params": [p for p in group["params"] if p not in rates]} for group in groups]
    new = [{"params": [p for p in rates if rates[p] == lr], "lr": lr} for lr in dict.fromkeys(rates.values())]
    first, *others = left
    return [group for group in (first, *new, *others) if group["params"]]


def rates_of_groups(optimizer: Optimizer, rates: Mapping[nn.Parameter, float]) -> dict[int, float]:
    """Find the groups that `with_own_rates` has made.

    Args:
        optimizer: built of them.
        rates: parameter to learning rate.

    Returns:
        Index of a group to its learning rate.
    """
    firsts = ((index, group["params"][0]) for index, group in enumerate(optimizer.param_groups) if group["params"])
    return {index: rates[first] for index, first in firsts if first in rates}
