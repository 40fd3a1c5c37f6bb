"""Parts of an image set: validation images set apart, and subsets for quick runs."""

from __future__ import annotations

import math

import torch

from laaf_lightning.data.images.formats import LabeledImages
from laaf_lightning.data.images.random_streams import SUBSET, VALIDATION_PART, seeded_generator
from laaf_lightning.errors import ConfigurationError


def check_share(val_split: float) -> None:
    """Refuse a validation part that is no fraction and no count.

    Args:
        val_split: a fraction from 0 to below 1 (float) or a count from 0 (int).

    Raises:
        ConfigurationError: otherwise.
    """
    if not 0 <= val_split < (1 if isinstance(val_split, float) else math.inf):
        raise ConfigurationError(
            f"val_split is {val_split}: give a fraction from 0 to below 1 (0.1) or a count of images (1000)"
        )


def set_apart(data: LabeledImages, val_split: float, seed: int) -> tuple[LabeledImages, LabeledImages | None]:
    """Set training images apart for validation.

    Args:
        data: N training images.
        val_split: a fraction (float) or a count (int) of them; 0 for none.
        seed: of the choice.

    Returns:
        The images that are left and those set apart, each in the set's order; None for none.

    Raises:
        ConfigurationError: if nothing would be left on one side.
    """
    if not val_split:
        return data, None
    count = round(val_split * len(data)) if isinstance(val_split, float) else val_split
    if not 0 < count < len(data):
        raise ConfigurationError(
            f"val_split is {val_split}, which sets {count} of {len(data)} training images apart: choose it so that "
            "at least one image is left on either side"
        )
    order = torch.randperm(len(data), generator=seeded_generator(seed, VALIDATION_PART))
    return data[order[count:].sort().values], data[order[:count].sort().values]


def subset(data: LabeledImages, size: int | None, setting: str, seed: int) -> LabeledImages:
    """Choose some images of a set.

    Args:
        data: N images.
        size: how many, from 1 to N; None for all.
        setting: its name, for the error.
        seed: of the choice.

    Returns:
        The chosen images in the set's order.

    Raises:
        ConfigurationError: if `size` is outside 1 … N.
    """
    if size is None:
        return data
    if not 1 <= size <= len(data):
        raise ConfigurationError(f"{setting} is {size}: it must be from 1 to the set's {len(data)}, or null for all")
    order = torch.randperm(len(data), generator=seeded_generator(seed, SUBSET))
    return data[order[:size].sort().values]
