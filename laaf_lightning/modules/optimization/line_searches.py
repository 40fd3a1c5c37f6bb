"""Optimisers that look at a loss several times a step, and what of a Trainer does them harm."""

from __future__ import annotations

from pytorch_lightning import Trainer
from torch.optim import LBFGS, Optimizer

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.optimizers import SelfScaledBroyden, SequentialOptimizer


def refuse_harm(optimizer: Optimizer, trainer: Trainer) -> None:
    """Refuse settings under which a line search compares gradients with values that they do not belong to.

    Args:
        optimizer: of the module.
        trainer: its Trainer.

    Raises:
        ConfigurationError: for gradient clipping or accumulation beside L-BFGS or self-scaled Broyden.
    """
    stages = optimizer.stages if isinstance(optimizer, SequentialOptimizer) else (optimizer,)
    searching = next((stage for stage in stages if isinstance(stage, (LBFGS, SelfScaledBroyden))), None)
    if searching is None:
        return
    name = type(searching).__name__
    if trainer.gradient_clip_val:
        raise ConfigurationError(
            f"gradient_clip_val={trainer.gradient_clip_val} beside {name}: its steps come from differences of "
            "gradients and a line search, and a clipped gradient is not that of the loss; leave it out "
            "(--trainer.gradient_clip_val null)"
        )
    if trainer.accumulate_grad_batches != 1:
        raise ConfigurationError(
            f"accumulate_grad_batches={trainer.accumulate_grad_batches} beside {name}: it evaluates the loss again "
            "within a step, of the last batch only, while gradients of the others are added; give it one larger batch "
            "(--trainer.accumulate_grad_batches 1)"
        )
