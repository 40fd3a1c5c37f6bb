"""Measure on a module between training steps so that training does not notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.seed import isolate_rng


@contextmanager
def undisturbed(module: LightningModule) -> Iterator[None]:
    """Put random states, training modes and buffers back at the end.

    Args:
        module: what is measured on.

    Yields:
        Nothing.
    """
    modes = {part: part.training for part in module.modules()}
    buffers = {buffer: buffer.clone() for buffer in module.buffers()}
    try:
        with isolate_rng():
            yield
    finally:
        for part, training in modes.items():
            part.training = training
        with torch.no_grad():
            for buffer, value in buffers.items():
                buffer.copy_(value)
