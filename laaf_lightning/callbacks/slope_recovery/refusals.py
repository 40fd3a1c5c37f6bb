"""What slope recovery refuses or warns about, each with the way out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_warn
from torch import nn

from laaf_lightning.activations import AdaptiveActivation, Operator, resolve_operator
from laaf_lightning.errors import ConfigurationError

_GUARD = "add the callback FiniteGuard, which says what went first (--finite_guard.enabled true)"
_ONLY_LOG = "set the weight to 0 to train without it (--slope_recovery.weight 0)"


def refuse_company(callbacks: Sequence[Callback]) -> None:
    """Refuse more than one callback that adds slope recovery.

    Args:
        callbacks: those of one Trainer that are a `SlopeRecovery`.

    Raises:
        ConfigurationError: if there are several.
    """
    if len(callbacks) > 1:
        raise ConfigurationError(
            f"{len(callbacks)} callbacks would each add and log slope recovery: "
            f"{' and '.join(map(repr, callbacks))}; keep one. The command line makes one itself, set by "
            "--slope_recovery.weight and its other options: leave SlopeRecovery out of trainer.callbacks there"
        )


def refuse_without_activations(module: LightningModule, weight: object) -> None:
    """Refuse a module that cannot have slopes at all.

    Args:
        module: the module to fit.
        weight: the weight that was asked for.

    Raises:
        ConfigurationError: if it holds no `AdaptiveActivation`.
    """
    if not any(isinstance(part, AdaptiveActivation) for part in module.modules()):
        raise ConfigurationError(
            f"slope recovery has weight {weight}, but {type(module).__name__} has no AdaptiveActivation: "
            f"build it with them, give it some by --adapt.scope or laaf_lightning.adapt, or {_ONLY_LOG}"
        )


def refuse_manual_optimization(module: LightningModule) -> None:
    """Refuse a module whose loss never passes through the Trainer.

    Args:
        module: the module to fit.

    Raises:
        ConfigurationError: if it optimises manually.
    """
    if not module.automatic_optimization:
        raise ConfigurationError(
            f"slope recovery cannot add its term to the loss of {type(module).__name__}, which optimises "
            f"manually: add laaf_lightning.slope_recovery(self) to the loss in its training_step, and {_ONLY_LOG}"
        )


def refuse_unusable(recovery: float, parameters: Mapping[str, nn.Parameter], operator: Operator) -> None:
    """Refuse a value of S(a) that pulls slopes the wrong way or nowhere.

    Args:
        recovery: S(a).
        parameters: a by the layer's name.
        operator: the operator of S(a).

    Raises:
        ConfigurationError: if S(a) is not finite or ≤ 0; names the operator and the layer.
    """
    if math.isfinite(recovery) and recovery > 0:
        return
    if math.isnan(recovery):
        raise ConfigurationError(
            f"S(a) = nan: slopes are NaN, as all weights are once the data, the loss or a gradient was; {_GUARD}"
        )
    with torch.no_grad():
        terms = {name: float(resolve_operator(operator)(a.float().mean())) for name, a in parameters.items()}
    name, term = min(terms.items(), key=lambda item: item[1] if math.isfinite(item[1]) else -math.inf)
    remedy = "the slopes have diverged" if operator == "exp" else "take operator 'exp', which is positive everywhere"
    raise ConfigurationError(
        f"S(a) = {recovery:g} with operator {operator!r} must be finite and > 0: layer {name!r} gives {term:g}; "
        f"{remedy}, or take a smaller learning rate for the slopes (slope_lr), or {_ONLY_LOG}"
    )


def warn_about_line_search(trainer: Trainer, module: LightningModule) -> None:
    """Warn where each rank would search along its own loss.

    Args:
        trainer: the Trainer, with its optimisers.
        module: the module to fit; ours say that they average by ``averages_closure_over_ranks``.
    """
    optimizers = [stage for optimizer in trainer.optimizers for stage in getattr(optimizer, "stages", (optimizer,))]
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    searches = any(group.get("line_search_fn") is not None for group in groups)
    if trainer.world_size > 1 and searches and not getattr(module, "averages_closure_over_ranks", False):
        rank_zero_warn(
            f"{type(module).__name__} searches along a line on {trainer.world_size} ranks: gradients are averaged, but "
            "each rank sees its own loss, so the ranks part ways; average the closure's value over ranks in "
            "optimizer_step, as the modules of laaf_lightning do"
        )
