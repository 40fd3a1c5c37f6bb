"""A warning about losses that lose their digits in half precision."""

from __future__ import annotations

from pytorch_lightning import LightningModule
from pytorch_lightning.utilities import rank_zero_warn


def warn_about_low_precision(module: LightningModule, what: str) -> None:
    """Warn once on rank zero where a loss is computed in less than float32.

    Args:
        module: the module that is about to be fitted.
        what: what suffers, for the sentence.
    """
    precision = str(module.trainer.precision)
    if precision not in {"32-true", "64-true"}:
        rank_zero_warn(
            f"precision {precision} is too low for {what}: use 32-true or 64-true (--trainer.precision 64-true)"
        )
