"""What keeps a run from going on as if it had not been cut off."""

from __future__ import annotations

from lightning_fabric.utilities.data import sized_len
from lightning_fabric.utilities.types import _Stateful
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelPruning, StochasticWeightAveraging
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch.utils.data import DataLoader, IterableDataset

from laaf_lightning.errors import ConfigurationError

_NOT_KEPT = (ModelPruning, StochasticWeightAveraging)


def refuse_or_warn(trainer: Trainer, batches: int) -> None:
    """Refuse a place that cannot be found again, and say what will not be resumed exactly.

    Args:
        trainer: whose loaders are set up.
        batches: after how many of the epoch's it is to go on.

    Raises:
        ConfigurationError: for a place within an epoch of a stream that has none.
    """
    reasons = obstacles(trainer, batches)
    if reasons and batches:
        raise ConfigurationError(
            f"{reasons[0]}, and the checkpoint was saved after batch {batches} of an epoch: give the loader "
            "state_dict() and load_state_dict() (torchdata's StatefulDataLoader has them), resume from the end of "
            "an epoch, or go on inexactly with ExactResume(enabled=False) (--exact_resume.enabled false)"
        )
    if reasons:
        rank_zero_info(f"ExactResume: {reasons[0]}: only checkpoints between epochs can be resumed.")
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    for name in sorted({type(each).__name__ for each in callbacks if isinstance(each, _NOT_KEPT)}):
        rank_zero_warn(
            f"{name} keeps outside of checkpoints what it has begun: a run with it that is cut off cannot go on as if "
            "it had not been"
        )


def obstacles(trainer: Trainer, batches: int) -> list[str]:
    """Name what keeps a run from going on within an epoch.

    Args:
        trainer: whose loaders are set up.
        batches: after how many of the epoch's it is to go on.

    Returns:
        Clauses: streams without a state of their own, and loaders that were begun again beside a longer one.
    """
    loader = trainer.fit_loop._combined_loader
    loaders = [one for one in (loader.flattened if loader is not None else []) if not isinstance(one, _Stateful)]
    streams = [
        f"{type(one.dataset).__name__} is a stream, in which no place can be found again"
        for one in loaders
        if isinstance(one, DataLoader) and isinstance(one.dataset, IterableDataset)
    ]
    again = [
        f"a loader of {length} batches was begun again beside a longer one"
        for one in loaders
        if (length := sized_len(one)) is not None and length < batches
    ]
    return streams + again
