"""A rank's share of the points, and their dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.lightning_packages import LightningDataModule


def data_dtype(module: LightningDataModule) -> torch.dtype:
    """Return the dtype of points and values: float64 under the Trainer's ``64-true``, else float32.

    Args:
        module: a DataModule, attached to a Trainer or not.

    Returns:
        The dtype.
    """
    precision = str(getattr(module.trainer, "precision", "32-true"))
    return torch.float64 if precision.startswith("64") else torch.float32


def rank_share(module: LightningDataModule, points: Tensor, name: str, *, equal: bool = True) -> Tensor:
    """Return this rank's points: every world_size-th.

    Args:
        module: the DataModule, whose Trainer knows rank and world size.
        points: all points, along dimension 0.
        name: the setting that says how many there are, for the error.
        equal: whether all ranks must get equally many, as an average of means over ranks requires.

    Returns:
        The share; all points without a Trainer or with one rank.

    Raises:
        ConfigurationError: if the shares would differ in size and `equal` is asked for.
    """
    world, rank = getattr(module.trainer, "world_size", 1), getattr(module.trainer, "global_rank", 0)
    if equal and len(points) % world:
        raise ConfigurationError(
            f"{name}={len(points)} points do not split evenly over {world} ranks, and the mean over ranks would not be "
            f"the mean over points: take a multiple of {world}"
        )
    return points[rank::world]
