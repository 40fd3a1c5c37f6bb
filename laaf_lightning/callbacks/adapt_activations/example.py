"""One batch of a Trainer's training data, drawn so that training draws the same as without it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities import CombinedLoader
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor
from torch.utils._pytree import tree_map
from torch.utils.data import DataLoader, IterableDataset

from laaf_lightning.callbacks.exact_resume.own_values.random_states import generator_states, set_generator_states
from laaf_lightning.callbacks.exact_resume.own_values.reachable import GENERATORS, ChangedNumbers, reachable
from laaf_lightning.callbacks.lightning_internals import batch_on_device, training_data
from laaf_lightning.errors import ConfigurationError


def example_of_data(trainer: Trainer, module: LightningModule) -> Any:
    """Return what a module is called with: its ``example_input_array``, else a batch of the training data.

    Args:
        trainer: whose data, precision and hooks hold, before it has begun.
        module: the one that it trains.

    Returns:
        The batch, where the module's parameters are, and in their precision.

    Raises:
        ConfigurationError: where there is no batch to be had; it names ``example_input_array``.
    """
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    given = module.example_input_array
    if given is not None:
        return _in_precision(trainer, module, apply_to_collection(given, Tensor, lambda tensor: tensor.to(device)))
    way_out = f"give {type(module).__name__} an example_input_array, or adapt its network in its constructor"
    try:
        with isolate_rng(), _as_they_were(module, trainer.datamodule):  # type: ignore[attr-defined]
            loaders = training_data(trainer)
            with _as_they_were(loaders):
                batch = _first_batch(loaders)
                batch = batch_on_device(trainer, module, batch, device)
    except Exception as error:
        reason = str(error) if isinstance(error, ConfigurationError) else f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"AdaptActivations finds no batch to look at: {reason}; {way_out}") from error
    return _in_precision(trainer, module, batch)


@contextmanager
def _as_they_were(*owners: object) -> Iterator[None]:
    """Put the generators and the counters that loaders, samplers and data sets hold back."""
    held = reachable({str(number): owner for number, owner in enumerate(owners) if owner is not None})
    generators = {path: value for path, value in held.items() if isinstance(value, GENERATORS)}
    counters = ChangedNumbers(held)
    states = generator_states(generators)
    try:
        yield
    finally:
        counters.set({})
        set_generator_states(generators, states)


def _first_batch(loaders: Any) -> Any:
    """Draw a batch of a loader, or of each of several in the same nest."""
    if isinstance(loaders, CombinedLoader):
        if loaders._mode == "sequential":
            return _batch_of(loaders.flattened[0])
        loaders = loaders.iterables
    return tree_map(_batch_of, loaders)


def _batch_of(loader: Any) -> Any:
    """Draw a batch without worker processes and, where the sampler is torch's own, without the sampler."""
    if not isinstance(loader, DataLoader):
        iterator = iter(loader)
        if iterator is loader:
            raise ConfigurationError("the training data is an iterator, which would lose a batch")
        return next(iterator)
    dataset: Any = loader.dataset
    size = loader.batch_size
    if isinstance(dataset, IterableDataset):
        items = [*islice(iter(_copy(dataset)), size or 1)]
        return loader.collate_fn(items if size is not None else items[0])
    if loader.batch_sampler is None:
        return loader.collate_fn(dataset[next(iter(loader.sampler))])
    plain = all(
        type(sampler).__module__.startswith("torch.utils.data") for sampler in (loader.batch_sampler, loader.sampler)
    )
    places = range(min(size or 1, len(dataset))) if plain else next(iter(loader.batch_sampler))
    fetch = getattr(dataset, "__getitems__", None)
    return loader.collate_fn(fetch([*places]) if fetch else [dataset[place] for place in places])


def _copy(dataset: Any) -> Any:
    """Copy a stream, which may know its place; one that cannot be copied is opened itself."""
    try:
        return copy.deepcopy(dataset)
    except Exception:
        return dataset


def _in_precision(trainer: Trainer, module: LightningModule, batch: Any) -> Any:
    """Give a batch the precision that the parameters have, where the Trainer gives both another one."""
    like = next((p for p in module.parameters() if p.is_floating_point()), None)
    if like is None or trainer.precision not in {"64-true", "16-true", "bf16-true"}:
        return batch
    dtype = like.dtype
    return apply_to_collection(batch, Tensor, lambda x: x.to(dtype) if x.is_floating_point() else x)
