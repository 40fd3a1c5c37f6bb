"""Measure on a module between training steps so that training does not notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.seed import isolate_rng

from laaf_lightning.derivatives.engines.probe import as_it_was


@contextmanager
def undisturbed(module: LightningModule, *, training: bool | None = None, gradients: bool = False) -> Iterator[None]:
    """Put random states, training modes and buffers back at the end.

    Args:
        module: what is measured on.
        training: whether it is measured in training mode, or in eval mode; None leaves it as it is.
        gradients: whether a graph is recorded. Either way no tensor is made in inference mode, in which Lightning
            validates, and which a module that draws derivatives could not use.

    Yields:
        Nothing.
    """
    with as_it_was(module, training=training), isolate_rng(), torch.set_grad_enabled(gradients):
        yield
