"""Load a LightningModule that was adapted from outside: by `AdaptActivations`, or by `adapt` beside it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from pytorch_lightning import LightningModule

from laaf_lightning.activations import adapt
from laaf_lightning.activations.replay.form import keep_form
from laaf_lightning.activations.replay.from_state import noted_slopes, settings_of
from laaf_lightning.activations.replay.noted import noted_in, slope_keys
from laaf_lightning.activations.replay.repeated import adapt_as_noted
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.checkpoint_files import load_content
from laaf_lightning.untrusted.loading import looked_through

M = TypeVar("M", bound=LightningModule)


def load_adapted(
    kind: type[M], checkpoint_path: Any, *, example_input: Any = None, map_location: Any = None, **kwargs: Any
) -> M:
    """Build a module from a checkpoint in which its activations are adaptive, though its class knows nothing of it.

    What ``kind.load_from_checkpoint`` does, and before the weights are loaded the module is adapted as the checkpoint's
    was. The file is loaded with ``weights_only=True``.

    Args:
        kind: the module's class; that of an adapted module, ``type(model)``, stands for its own.
        checkpoint_path: path, address, or an open file.
        example_input: as for `adapt`; needed only for a checkpoint that was saved without `AdaptActivations` among the
            Trainer's callbacks, of a module some of whose activations are calls of functions.
        map_location: as for ``torch.load``.
        kwargs: arguments of the constructor, which go before those of the checkpoint.

    Returns:
        The module, with its slopes.

    Raises:
        ConfigurationError: for a file that is no plain checkpoint, one without slopes, and one that does not fit the
            class.

    Example:
        ``model = laaf.load_adapted(MyModule, "runs/laaf/2026-11-28T13-35-35/checkpoints/last.ckpt")``
    """
    _check_kind(kind)
    plain_class: type[M] = getattr(kind, "plain_class", kind)
    name = plain_class.__name__
    try:
        content = load_content(checkpoint_path, "checkpoint_path", "cpu" if map_location is None else map_location)
    except FileNotFoundError as error:
        raise ConfigurationError(f"checkpoint_path={str(checkpoint_path)!r}: there is no such file") from error
    state: dict[str, Any] = content["state_dict"]
    noted = noted_in(content)
    slopes = slope_keys(noted.notes) if noted is not None else noted_slopes(state)
    if not slopes & state.keys():
        raise ConfigurationError(
            f"checkpoint_path={str(checkpoint_path)!r} holds no slopes: {name}.load_from_checkpoint loads it"
        )
    file = io.BytesIO()
    torch.save({**content, "state_dict": {key: value for key, value in state.items() if key not in slopes}}, file)
    file.seek(0)
    built, plain, arguments = looked_through(file, plain_class, map_location, None, None, kwargs)
    problem = f"checkpoint_path={str(checkpoint_path)!r} does not fit {name} as it is built here"
    with _mismatch_in_words(problem):
        module = built.load_from_checkpoint(plain, map_location, weights_only=True, **arguments)
    if noted is not None:
        adapt_as_noted(module, noted.notes)
        keep_form(module, noted.form)
    else:
        adapt(module, example_input=example_input, inplace=True, **settings_of(state, slopes))
    with _mismatch_in_words(problem):
        module.load_state_dict(state)
    return module


def _check_kind(kind: object) -> None:
    if not (isinstance(kind, type) and issubclass(kind, LightningModule)):
        given = kind.__name__ if isinstance(kind, type) else f"a {type(kind).__name__}"
        raise ConfigurationError(f"load_adapted: kind={given} is no class of a LightningModule: give one, MyModule")


@contextmanager
def _mismatch_in_words(problem: str) -> Iterator[None]:
    """Make one sentence of torch's list of what does not fit."""
    try:
        yield
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        first = " ".join(str(error).partition("\n")[2].partition("\n")[0].split()).rstrip(".")
        raise ConfigurationError(
            f"{problem}: {first}; give the class and the arguments that it was trained with"
        ) from error
